//! How wide each column of a terminal table is.

use super::document::Grid;

/// Longer words (digests, paths) may break.
const LONGEST_WORD: usize = 24;

/// The two sides of a box.
const SIDES: usize = 2;

/// What a column takes beside its text: a blank before it, and one after it where the library keeps room for a line.
const BLANKS: usize = 2;

/// The width of each column's text. First its longest word, so that words break only where the table cannot hold them all;
/// then what is left goes to the columns that lack least, since wrapping hurts a sentence less than a number.
pub(super) fn widths(grid: &Grid, width: usize) -> Vec<u16> {
    let words = longest(grid, |line| line.split(' ').map(letters).max().unwrap_or(0));
    let lines = longest(grid, letters);
    let room = width.saturating_sub(SIDES + BLANKS * grid.heads.len());
    let capped = |cap: usize| {
        words
            .iter()
            .map(|word| (*word).min(cap).max(1))
            .collect::<Vec<_>>()
    };
    let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
    let mut widths = (1..=LONGEST_WORD)
        .rev()
        .map(capped)
        .find(fits)
        .unwrap_or_else(|| capped(1));
    let mut left = room.saturating_sub(widths.iter().sum());
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

/// The largest measure of any line in each column.
fn longest(grid: &Grid, measure: fn(&str) -> usize) -> Vec<usize> {
    let head = |place: usize| grid.heads.get(place).map_or(&[][..], |head| &head.lines);
    let cells = |place: usize| {
        grid.rows
            .iter()
            .filter_map(move |row| row.get(place))
            .flat_map(|cell| &cell.lines)
    };
    (0..grid.heads.len())
        .map(|place| {
            head(place)
                .iter()
                .chain(cells(place))
                .map(|line| measure(line))
                .max()
                .unwrap_or(0)
        })
        .collect()
}

fn letters(text: &str) -> usize {
    text.chars().count()
}
