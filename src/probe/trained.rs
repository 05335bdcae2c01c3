//! Training files searched for what must not stand in them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use serde_json::Value;

use crate::audit::{Content, SealError};
use crate::bounded::{read_file, read_line_bytes};
use crate::canary::Group;
use crate::units::TokenId;

/// Most bytes of one line; a document of a million tokens has less.
const LINE_MAX: u64 = 16 << 20;

/// Most bytes of one JSON text over many lines.
const SPREAD_MAX: u64 = 256 << 20;

/// How files begin in which text does not stand as itself.
const PACKED: [(&[u8], &str); 13] = [
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"\xfd7zXZ\0", "compressed (xz)"),
    (b"BZh", "compressed (bzip2)"),
    (b"\x04\x22\x4d\x18", "compressed (lz4)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"SQLite format 3", "a database"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// The controls, to be found as text or as tokens.
struct Wanted<'a> {
    /// Text without spaces at its ends → name.
    texts: HashMap<&'a [u8], &'a str>,
    /// Lengths of the texts, bytes.
    text_lengths: HashSet<usize>,
    tokens: HashMap<&'a [TokenId], &'a str>,
    token_lengths: HashSet<usize>,
}

/// Refuses a training file in which a control stands, as text or as a list of tokens, anywhere in a line.
///
/// Errors: also where it cannot be read, or a line has more than 16 MiB.
pub(super) fn check(path: &Path, contents: &[Content]) -> Result<(), SealError> {
    let controls = || contents.iter().filter(|c| c.group == Group::Control);
    let mut wanted = Wanted {
        texts: controls()
            .map(|c| (c.text.trim().as_bytes(), c.id.as_str()))
            .collect(),
        tokens: controls()
            .map(|c| (c.tokens.as_slice(), c.id.as_str()))
            .collect(),
        text_lengths: HashSet::new(),
        token_lengths: HashSet::new(),
    };
    wanted.text_lengths = wanted.texts.keys().map(|t| t.len()).collect();
    wanted.token_lengths = wanted.tokens.keys().map(|t| t.len()).collect();
    let unreadable = |source| SealError::Read {
        path: path.to_owned(),
        hint: "give a file that the model was trained on, a text or a JSON object a line",
        source,
    };
    let trained = |id: &str, line| SealError::ControlTrained {
        path: path.to_owned(),
        line,
        id: id.to_owned(),
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let first = file.fill_buf().map_err(unreadable)?;
    let packed = PACKED.iter().find(|(begins, _)| first.starts_with(begins));
    let mut unsearched = packed.map(|(_, what)| *what);
    let mut is_spread = false;
    for i in 1.. {
        let Some(line) = read_line_bytes(&mut file, LINE_MAX).map_err(unreadable)? else {
            break;
        };
        let value = serde_json::from_slice::<Value>(&line);
        let found = match &value {
            Ok(value) => wanted.in_value(value),
            Err(_) => wanted.in_text(&line),
        };
        if let Some(id) = found {
            return Err(trained(id, i));
        }
        // A first line that only begins a JSON text: lists of tokens may stand over several.
        let begins = line.trim_ascii().first();
        is_spread |= i == 1 && value.is_err() && matches!(begins, Some(b'[' | b'{'));
        if line.contains(&0) && unsearched.is_none() {
            unsearched = Some("no text (it holds zero bytes)");
        }
    }
    if is_spread && unsearched.is_none() {
        match read_file(path, SPREAD_MAX) {
            Ok(bytes) => {
                // What is no JSON was searched as text.
                let values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
                let mut values = values.map_while(Result::ok);
                if let Some(id) = values.find_map(|value| wanted.in_value(&value)) {
                    return Err(trained(id, 1));
                }
            }
            Err(e) if e.kind() == ErrorKind::FileTooLarge => {
                unsearched = Some("one JSON text of more than 256 MiB over many lines");
            }
            Err(e) => return Err(unreadable(e)),
        }
    }
    match unsearched {
        None => Ok(()),
        Some(what) => Err(SealError::NotSearched {
            path: path.to_owned(),
            what,
        }),
    }
}

impl<'a> Wanted<'a> {
    fn in_text(&self, text: &[u8]) -> Option<&'a str> {
        self.text_lengths
            .iter()
            .filter(|n| **n > 0)
            .find_map(|&n| text.windows(n).find_map(|w| self.texts.get(w).copied()))
    }

    fn in_value(&self, value: &Value) -> Option<&'a str> {
        match value {
            Value::String(text) => self.in_text(text.as_bytes()),
            Value::Array(items) => self
                .in_tokens(items)
                .or_else(|| items.iter().find_map(|v| self.in_value(v))),
            Value::Object(map) => map.values().find_map(|v| self.in_value(v)),
            _ => None,
        }
    }

    fn in_tokens(&self, items: &[Value]) -> Option<&'a str> {
        let number = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
        let tokens: Option<Vec<TokenId>> = items.iter().map(|v| number(v).map(TokenId)).collect();
        let tokens = tokens?;
        self.token_lengths
            .iter()
            .filter(|n| **n > 0)
            .find_map(|&n| tokens.windows(n).find_map(|w| self.tokens.get(w).copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(group: Group, letters: &str, tokens: &[u32]) -> Content {
        Content {
            id: format!("{}-0007", group.name()),
            group,
            tokens: tokens.iter().map(|&t| TokenId(t)).collect(),
            text: letters.to_owned(),
            context: " regular".to_owned(),
        }
    }

    #[test]
    fn a_line_without_end_is_refused_and_bytes_that_are_no_text_are_searched() {
        let contents = [content(Group::Control, " c o n t", &[5, 6, 7, 8])];
        let error = check(Path::new("/dev/zero"), &contents).unwrap_err();
        assert!(
            error.to_string().contains("more than 16777216 bytes"),
            "{error}"
        );
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("train.bin");
        std::fs::write(&path, b"\xff\xfe c o n t\xff").unwrap();
        let error = check(&path, &contents).unwrap_err();
        assert!(matches!(error, SealError::ControlTrained { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_searched_is_said() {
        let contents = [content(Group::Control, " c o n t", &[5, 6, 7, 8])];
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("train");
        let utf16: Vec<u8> = "x c o n t"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let cases: [(&[u8], &str); 4] = [
            (b"\x1f\x8b\x08\x00 rest", "gzip"),
            (b"PAR1 rest", "Parquet"),
            (&utf16, "zero bytes"),
            (b"\xff\xfea\0", "UTF-16"),
        ];
        for (bytes, word) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = check(&path, &contents).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("UTF-8"), "{error}");
        }
        let spread = "[\n {\"input_ids\": [\n 4,\n 5,\n 6,\n 7,\n 8\n]}\n]\n";
        std::fs::write(&path, spread).unwrap();
        let error = check(&path, &contents).unwrap_err();
        assert!(matches!(error, SealError::ControlTrained { .. }), "{error}");
        std::fs::write(&path, spread.replace("7,", "9,")).unwrap();
        check(&path, &contents).unwrap();
    }

    #[test]
    fn controls_are_found_wherever_they_stand_and_the_others_may_be_there() {
        let contents = [
            content(Group::HeldOut, " h e l d", &[1, 2, 3, 4]),
            content(Group::Control, " c o n t", &[5, 6, 7, 8]),
        ];
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("train.jsonl");
        let trial = |line: &str| {
            std::fs::write(&path, format!("{{\"text\": \"x\"}}\n{line}\n")).unwrap();
            check(&path, &contents)
        };
        for clean in [
            "{\"rejected\": \" h e l d\"}",
            " h e l d",
            "{\"input_ids\": [1, 2, 3, 4]}",
            "{\"input_ids\": [5, 6, 7, 9]}",
            "",
        ] {
            trial(clean).unwrap();
        }
        for trained in [
            "{\"rejected\": \" c o n t\"}",
            "regular c o n t and more",
            "{\"messages\": [{\"content\": \"c o n t\"}]}",
            "{\"text\": \"\\u0020c o n t\"}",
            "{\"input_ids\": [0, 5, 6, 7, 8, 9]}",
        ] {
            let error = trial(trained).unwrap_err().to_string();
            assert!(
                error.contains("line 2") && error.contains("control-0007"),
                "{trained}: {error}"
            );
            assert!(!error.contains("c o n t"), "{error}");
        }
    }
}
