//! A title in as many lines as it needs.

/// Letters of a title that surely fit in a line: a bold one takes less than 8 of the view's units.
const TITLE: usize = 56;

/// The lines, broken between words.
pub(super) fn in_lines(title: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split(' ') {
        let filled = lines.last().map_or(0, |line| line.chars().count());
        if filled > 0 && filled + 1 + word.chars().count() > TITLE {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_breaks_between_words_and_loses_none() {
        let title = "low-logit, phase 2, regular: completed whole given k letters and reference";
        let lines = in_lines(title);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= TITLE));
        assert_eq!(lines.join(" "), title);
        assert_eq!(in_lines("short"), ["short"]);
    }
}
