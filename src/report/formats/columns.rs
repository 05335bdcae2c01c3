//! How wide each column of a terminal table is.

use crate::report::blocks::{Cell, Grid};

/// Longer words (digests, paths) may break.
const LONGEST_WORD: usize = 24;

/// The two sides of a box.
const SIDES: usize = 2;

/// What a column takes beside its text: a blank before it, and one after it where the library keeps room for a line.
const BLANKS: usize = 2;

/// Whether no word of the table need break: all but the longest have room in their columns.
pub(super) fn fits(grid: &Grid, width: usize) -> bool {
    let words = longest(grid, longest_word);
    let needed: usize = words.iter().map(|word| (*word).min(LONGEST_WORD)).sum();
    needed <= room(grid, width)
}

/// What the boxes and blanks leave to the text.
fn room(grid: &Grid, width: usize) -> usize {
    width.saturating_sub(SIDES + BLANKS * grid.heads.len())
}

/// The width of each column's text. First its longest word, so that words break only where the table cannot hold them all; then
/// what is left goes where it saves most lines, and what saves none to the columns that lack least.
pub(super) fn widths(grid: &Grid, width: usize) -> Vec<u16> {
    let words = longest(grid, longest_word);
    let lines = longest(grid, letters);
    let room = room(grid, width);
    let capped = |cap: usize| -> Vec<usize> {
        let widths = words.iter().map(|word| (*word).min(cap).max(1));
        widths.collect()
    };
    let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
    let mut widths = (1..=LONGEST_WORD)
        .rev()
        .map(capped)
        .find(fits)
        .unwrap_or_else(|| capped(1));
    let mut left = room.saturating_sub(widths.iter().sum());
    while let Some((place, more)) = best(grid, &widths, &lines, left) {
        widths[place] += more;
        left -= more;
    }
    let mut lacking: Vec<_> = (0..widths.len()).collect();
    lacking.sort_by_key(|place| lines[*place].saturating_sub(widths[*place]));
    for place in lacking {
        let more = lines[place].saturating_sub(widths[place]).min(left);
        widths[place] += more;
        left -= more;
    }
    widths
        .into_iter()
        .map(|width| u16::try_from(width).unwrap_or(u16::MAX))
        .collect()
}

/// The column to widen, and by how much, so that the table loses most lines for the room it takes; `None` where it loses none.
fn best(grid: &Grid, widths: &[usize], lines: &[usize], left: usize) -> Option<(usize, usize)> {
    let now = height(grid, widths);
    let mut found: Option<(f64, usize, usize)> = None;
    for place in 0..widths.len() {
        for more in 1..=left.min(lines[place].saturating_sub(widths[place])) {
            let mut wider = widths.to_vec();
            wider[place] += more;
            let gain = now.saturating_sub(height(grid, &wider)) as f64 / more as f64;
            if gain > found.map_or(0.0, |(best, _, _)| best) {
                found = Some((gain, place, more));
            }
        }
    }
    found.map(|(_, place, more)| (place, more))
}

/// Lines of all rows, each as tall as its tallest cell.
fn height(grid: &Grid, widths: &[usize]) -> usize {
    let cell = |(cell, width): (&Cell, &usize)| -> usize {
        cell.lines.iter().map(|line| wrapped(line, *width)).sum()
    };
    let row = |row: &Vec<Cell>| row.iter().zip(widths).map(cell).max().unwrap_or(0);
    grid.rows.iter().map(row).sum()
}

/// Lines that a text takes in a column: as many words in each as fit.
fn wrapped(line: &str, width: usize) -> usize {
    let (mut count, mut filled) = (1, 0);
    for word in line.split(' ').map(letters) {
        if filled > 0 && filled + 1 + word > width {
            count += 1;
            filled = 0;
        }
        filled += word + usize::from(filled > 0);
        // A word that is too long breaks wherever the column ends.
        while filled > width.max(1) {
            count += 1;
            filled -= width.max(1);
        }
    }
    count
}

/// The largest measure of any line in each column.
fn longest(grid: &Grid, measure: fn(&str) -> usize) -> Vec<usize> {
    let column = |place: usize| {
        let cells = grid.rows.iter().filter_map(move |row| row.get(place));
        let lines = cells.flat_map(|cell| &cell.lines);
        let lines = lines.chain(&grid.heads[place].lines);
        lines.map(|line| measure(line)).max().unwrap_or(0)
    };
    (0..grid.heads.len()).map(column).collect()
}

/// Letters of the longest word.
fn longest_word(line: &str) -> usize {
    line.split(' ').map(letters).max().unwrap_or(0)
}

fn letters(text: &str) -> usize {
    text.chars().count()
}
