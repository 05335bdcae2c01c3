//! A report in reading order: which sections a medium shows, and where.

use super::blocks::{Block, Document, Medium};
use super::error::ReportError;
use super::sections::{
    curves, further, gate, how_to_read, instruments, leakage, limits, ran, replication, standing,
    verdicts,
};
use super::{plots, words};
use crate::findings::Report;

pub(super) fn of(report: &Report, medium: Medium) -> Result<Document, ReportError> {
    let is_terminal = matches!(medium, Medium::Terminal(_));
    let room = medium.room();
    let mut blocks = verdicts::blocks(report);
    if !is_terminal {
        blocks.extend(gate::blocks(&report.gate));
    }
    blocks.extend(leakage::blocks(report, room));
    if medium == Medium::Page {
        for group in plots::all(report)? {
            blocks.push(Block::heading(group.heading));
            blocks.push(Block::text(group.lead));
            blocks.push(Block::Plots(group.plots));
        }
    } else {
        blocks.extend(curves::blocks(report));
    }
    blocks.extend(match medium {
        Medium::Terminal(_) => standing::revealed(report),
        Medium::Markdown => standing::seeds(report),
        Medium::Page => [standing::seeds(report), standing::canaries(report)].concat(),
    });
    blocks.extend(further::blocks(report));
    blocks.extend(instruments::blocks(report, room));
    blocks.extend(replication::blocks(report));
    if !is_terminal {
        blocks.extend(ran::blocks(report));
        blocks.extend(limits::blocks(report));
    }
    blocks.extend(how_to_read::blocks(report, room));
    if is_terminal {
        blocks.extend(gate::blocks(&report.gate));
    }
    Ok(Document {
        title: format!("unsaid · {}", words::clean(&report.name)),
        blocks,
    })
}
