//! Files written whole or not at all: a temporary sibling, fsync, rename.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::RunDirError;

/// How the names of temporary siblings begin.
pub(super) const TEMPORARY: &str = ".unsaid-";

/// Writes `bytes` to `path`, replacing what was there only once the new file is on disk.
///
/// Errors: the folder is missing or read-only, the disk is full. The old file is still there then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    // Readable by whom the user's umask lets.
    write(path, bytes, 0o666)
}

/// The same for what holds the text of canaries: readable by its owner alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    write(path, bytes, 0o600)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RunDirError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(RunDirError::io("create a file in", folder))?;
    let wrote = file
        .write_all(bytes)
        .and_then(|()| file.as_file().sync_all());
    wrote.map_err(RunDirError::io("write", path))?;
    file.persist(path)
        .map_err(|e| RunDirError::io("replace", path)(e.error))?;
    // The rename itself is durable once the folder is.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}

/// SHA-256 of bytes, as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read in pieces.
pub fn digest_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
    }
}

/// Lower-case hexadecimal digits of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_no_temporary() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("report.json");
        write_atomic(&path, b"first").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
        assert_eq!(digest_file(&path).unwrap(), sha256_hex(b"second"));
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let tmp = tempfile::tempdir().unwrap();
        let error = write_atomic(&tmp.path().join("no/such/file"), b"x").unwrap_err();
        assert!(error.to_string().contains("no/such"), "{error}");
    }
}
