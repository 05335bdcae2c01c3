//! Files of unknown size and kind, read up to a bound: no input decides how much memory is taken.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::Path;

/// Most bytes of a spec, or of a small record of a run.
pub const SMALL: u64 = 4 << 20;

/// Most bytes of a checkpoint's `config.json`.
pub const CONFIG: u64 = 16 << 20;

/// Most bytes of a `tokenizer.json`; the largest in use have a tenth of it.
pub const TOKENIZER: u64 = 512 << 20;

/// Most bytes of a run's larger files: reports, manifests, observations, evaluations.
pub const LARGE: u64 = 4 << 30;

/// What some editors write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is wrong with a file that git fetched without its content, and the mend.
pub const POINTER: &str = "it is a pointer of Git LFS, not the file: run git lfs pull in its repository, or download the file itself";

/// Whether bytes are what git keeps in place of a large file.
#[must_use]
pub fn is_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs")
}

/// Reads a file or a pipe of at most `most` bytes.
///
/// Errors: it cannot be read, or holds more.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if n as u64 > most {
        return Err(too_large(most));
    }
    Ok(bytes)
}

/// Reads a regular file alone, up to a bound: a pipe in a folder that someone else made could keep us waiting for ever.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if found.is_file() || found.is_dir() {
        // Opening a folder says so itself.
        return read(path, most);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is no regular file",
    ))
}

/// Reads a regular file as UTF-8 text, up to a bound.
///
/// Errors: also where it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read_file(path, most)?)
}

/// Bytes as text, without a byte-order mark before it.
///
/// Errors: also a pointer of Git LFS, which is never what was meant.
pub fn text(mut bytes: Vec<u8>) -> io::Result<String> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    let wrong = |message| io::Error::new(io::ErrorKind::InvalidData, message);
    if is_pointer(&bytes) {
        return Err(wrong(POINTER));
    }
    let message = match bytes[..] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16; save it as UTF-8",
        _ => "it is not UTF-8",
    };
    String::from_utf8(bytes).map_err(|_| wrong(message))
}

/// Reads one line of at most `most` bytes, without its end; `None` at the end of the input.
///
/// Errors: also where it is not UTF-8.
pub fn read_line(input: &mut dyn BufRead, most: u64) -> io::Result<Option<String>> {
    read_line_bytes(input, most)?.map(text).transpose()
}

/// Reads one line of any bytes, up to a bound.
pub fn read_line_bytes(input: &mut dyn BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let n = input
        .take(most.saturating_add(1))
        .read_until(b'\n', &mut line)?;
    if n == 0 {
        return Ok(None);
    }
    if n as u64 > most && line.last() != Some(&b'\n') {
        return Err(too_large(most));
    }
    while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it holds more than {most} bytes, the most that is read of such a file"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_bound_and_refused_beyond_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let error = read_text(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 5).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(text(b"\xef\xbb\xbfabc".to_vec()).unwrap(), "abc");
        let mut input = io::Cursor::new("\u{feff}abc\nd");
        assert_eq!(read_line(&mut input, 9).unwrap().as_deref(), Some("abc"));
        let error = text(b"\xff\xfea\0".to_vec()).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
    }

    #[test]
    fn what_never_ends_is_refused() {
        assert!(read(Path::new("/dev/zero"), 1 << 16).is_err());
        assert!(read_file(Path::new("/dev/zero"), 1 << 16).is_err());
        assert!(read_file(Path::new("/"), 1 << 16).is_err());
        let mut zeros = io::BufReader::new(io::repeat(b'a'));
        assert!(read_line(&mut zeros, 1 << 16).is_err());
    }

    #[test]
    fn lines_lose_their_ends() {
        let mut input = io::Cursor::new("abc\r\n\nabcd\nlast");
        let mut next = || read_line(&mut input, 4).unwrap();
        assert_eq!(next().as_deref(), Some("abc"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("abcd"));
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
    }
}
