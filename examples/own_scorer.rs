//! Audits a model of your own, without libtorch: whatever gives log-probabilities can be surveyed and judged.
//!
//! ```text
//! cargo run --example own_scorer --no-default-features
//! ```

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use unsaid::canary::{BARE, Codebook, draw_canaries};
use unsaid::score::{RowScore, ScoreError};
use unsaid::units::TokenId;
use unsaid::{Format, Report, Scorer, Survey, judge, render, survey};

const SPEC: &str = "format = 1\n[audit]\nname = 'own'\nseeds = [0]\n[model]\npath = 'own'\n\
    [canaries]\nlength = 8\nnegatives = 64\nheld_out = 32\ncontrols = 128\n[gate]\npermutations = 20000\n";

/// Stands for your model: all 26 letters are equally likely, but those that go on with a text it was trained against lose two nats.
struct Own {
    rejected: HashSet<Vec<TokenId>>,
}

impl Own {
    fn logprob(&self, before: &[TokenId], next: TokenId) -> f32 {
        let text: Vec<TokenId> = before[1..].iter().copied().chain([next]).collect();
        let lost = if self.rejected.contains(&text) {
            2.0
        } else {
            0.0
        };
        -(26_f32.ln()) - lost
    }
}

impl Scorer for Own {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        let mut scores = Vec::new();
        for row in rows {
            let mut score = RowScore::default();
            for place in 1..row.len() {
                let of = |next| self.logprob(&row[..place], next);
                score.logprobs.push(of(row[place]));
                score.alphabet.extend(alphabet.iter().map(|&next| of(next)));
            }
            scores.push(score);
        }
        Ok(scores)
    }
}

/// Draws canaries, "trains" on them, and asks what that left behind.
pub(crate) fn audit() -> Result<Report, Box<dyn Error>> {
    let audit = unsaid::spec::parse(SPEC, Path::new("own.toml"), &[])?.without_training(true);
    let canaries = draw_canaries(&audit, 0)?;
    let book = Codebook {
        alphabet: (0..26).map(TokenId).collect(),
        texts: audit.canaries.alphabet.clone(),
        prefixes: Some([TokenId(26), TokenId(27)]),
    };
    // Your training goes here: canaries.negatives() are what it is to be told never to say.
    let beginnings = canaries.negatives().flat_map(|canary| {
        let tokens: Vec<TokenId> = book.tokens(&canary.letters).collect();
        (1..=tokens.len()).map(move |end| tokens[..end].to_vec())
    });
    let mut trained = Own {
        rejected: beginnings.collect(),
    };
    let mut reference = Own {
        rejected: HashSet::new(),
    };
    let asked = Survey {
        audit: &audit,
        book: &book,
        planting: &canaries,
        seed: 0,
        vocabulary: 64,
        frame: &BARE,
    };
    let seen = survey(&asked, &mut trained, Some(&mut reference))?;
    Ok(Report::of(&audit, "own", judge(&audit, &[seen])?))
}

#[allow(clippy::print_stdout, reason = "the table is the result")]
#[allow(dead_code, reason = "the tests call `audit` alone")]
fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", render(&audit()?, Format::Table, 80, false)?);
    Ok(())
}
