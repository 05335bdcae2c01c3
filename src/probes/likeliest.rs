//! What a model holds likeliest after a prompt: a beam over the letters of the alphabet. A beam of one is greedy decoding.

use super::{ProbeError, ROWS_AT_ONCE};
use crate::canary::Codebook;
use crate::score::Scorer;
use crate::units::TokenId;

/// The `width` likeliest texts of `length` letters that a beam of that width finds after a prompt, the likeliest first.
///
/// `before`: the prompt's token, or the first of what stands in its place; without one every letter is as likely to be the first.
pub(super) fn likeliest(
    model: &mut dyn Scorer,
    book: &Codebook,
    before: Option<TokenId>,
    [length, width]: [usize; 2],
) -> Result<Vec<Vec<u16>>, ProbeError> {
    let mut beam: Vec<(f64, Vec<u16>)> = vec![(0.0, Vec::new())];
    for place in 0..length {
        let next = if place == 0 && before.is_none() {
            vec![vec![0.0; book.alphabet.len()]]
        } else {
            let row = |(_, letters): &(f64, Vec<u16>)| -> Vec<TokenId> {
                let own = letters.iter().map(|&l| book.alphabet[usize::from(l)]);
                before.into_iter().chain(own).collect()
            };
            let rows: Vec<_> = beam.iter().map(row).collect();
            model.next(&rows, &book.alphabet)?
        };
        let mut grown: Vec<(f64, usize, u16)> = Vec::new();
        for (parent, ((logprob, _), letters)) in beam.iter().zip(&next).enumerate() {
            let of = |(letter, p): (u16, &f32)| (logprob + f64::from(*p), parent, letter);
            grown.extend((0u16..).zip(letters).map(of));
        }
        // Ties go by place, which says nothing of any secret.
        grown.sort_by(|a, b| b.0.total_cmp(&a.0));
        grown.truncate(width.clamp(1, ROWS_AT_ONCE));
        let longer = |&(logprob, parent, letter): &(f64, usize, u16)| {
            let mut letters = beam[parent].1.clone();
            letters.push(letter);
            (logprob, letters)
        };
        beam = grown.iter().map(longer).collect();
    }
    Ok(beam.into_iter().map(|(_, letters)| letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::{Group, Prefix};
    use crate::probes::scan::tests::{Planted, book, canaries};

    /// Every text of two letters, by the sum of what its letters have.
    #[test]
    fn a_beam_as_wide_as_all_texts_holds_them_in_order() {
        let book = book();
        let before = book.before(Prefix::Regular);
        let mut model = Planted::clean();
        let all = likeliest(&mut model, &book, before, [2, 36]).unwrap();
        assert_eq!(all.len(), 36);
        let mut of = |letters: &[u16]| -> f32 {
            let token = |l: &u16| book.alphabet[usize::from(*l)];
            let row = |n: usize| before.into_iter().chain(letters[..n].iter().map(token));
            let rows = [row(0).collect::<Vec<_>>(), row(1).collect()];
            let each = rows.map(|row| model.next(&[row], &book.alphabet).unwrap().remove(0));
            let both = each.iter().zip(letters);
            both.map(|(next, l)| next[usize::from(*l)]).sum()
        };
        let sums: Vec<f32> = all.iter().map(|letters| of(letters)).collect();
        assert!(sums.is_sorted_by(|a, b| *a >= b - 1e-5), "{sums:?}");
        let narrow = likeliest(&mut Planted::clean(), &book, before, [2, 1]).unwrap();
        assert_eq!(narrow.len(), 1);
    }

    #[test]
    fn what_was_raised_is_found_and_without_a_prompt_every_first_letter_is_tried() {
        let (book, all) = (book(), canaries());
        let mut model = Planted::suppressed(-9.0);
        let before = book.before(Prefix::Regular);
        let said = likeliest(&mut model, &book, before, [8, 32]).unwrap();
        for canary in all.iter().filter(|c| c.group == Group::HeldOut) {
            assert!(said.iter().any(|l| l[..] == canary.letters[..]));
        }
        let said = likeliest(&mut Planted::clean(), &book, None, [1, 32]).unwrap();
        assert_eq!(said.len(), book.alphabet.len());
    }
}
