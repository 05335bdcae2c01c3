//! Inputs from seeds: a few changes each, drawn from a named stream.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Longest input.
const LONGEST: usize = 1 << 17;

/// Pieces that parsers look at twice.
const WORDS: [&str; 40] = [
    "-1",
    "0",
    "1e309",
    "-0.0",
    "NaN",
    "null",
    "true",
    "18446744073709551615",
    "18446744073709551616",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "1e-400",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "\"",
    "\\u0000",
    "\\ud800",
    ":",
    ",",
    "\n",
    "\r\n",
    "\0",
    "=",
    ".",
    "#",
    "'''",
    "\"\"\"",
    "../",
    "/",
    "\u{feff}",
    "é",
    "😀",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":",
    "F32",
    "I64",
];

/// Makes one input after another.
pub(crate) struct Mutator {
    rng: ChaCha8Rng,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(stream: u64, target: &str, seeds: Vec<Vec<u8>>) -> Self {
        let name = target.bytes().fold(stream, |sum, b| {
            sum.wrapping_mul(257).wrapping_add(u64::from(b))
        });
        Self {
            rng: ChaCha8Rng::seed_from_u64(name),
            seeds,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n.max(1))
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        let mut input = self.seeds[at].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = at + self.below((input.len() - at).min(64) + 1);
        match self.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << (self.rng.next_u32() % 8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = self.rng.next_u32().to_le_bytes()[0];
                }
            }
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                let times = 1 + self.below(20);
                input.splice(to..to, piece.repeat(times));
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..end, word.bytes());
            }
            6 => self.exchange_number(input),
            7 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds[other].clone();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                // Eight bytes at the front are a length, where the file is safetensors.
                let value = self.rng.next_u64() >> self.below(64);
                for (byte, new) in input.iter_mut().zip(value.to_le_bytes()) {
                    *byte = new;
                }
            }
        }
    }

    /// Puts another number where one stands.
    fn exchange_number(&mut self, input: &mut Vec<u8>) {
        let start = self.below(input.len());
        let is_digit = |b: &u8| b.is_ascii_digit() || *b == b'.';
        let Some(from) = input
            .iter()
            .skip(start)
            .position(is_digit)
            .map(|n| n + start)
        else {
            return;
        };
        let length = input[from..].iter().take_while(|b| is_digit(b)).count();
        let word = WORDS[self.below(13)];
        input.splice(from..from + length, word.bytes());
    }
}
