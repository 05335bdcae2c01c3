//! Files written whole or not at all: a temporary sibling, fsync, rename.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{RunDirError, fault, lock};

/// How the names of temporary siblings begin.
pub(super) const TEMPORARY: &str = ".unsaid-";

/// Writes `bytes` to `path`, replacing what was there only once the new file is on disk.
///
/// Errors: the folder is missing or read-only, the disk is full. The old file is still there then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    // Readable by whom the user's umask lets.
    write(path, 0o666, |out| halves(out, bytes)).map(drop)
}

/// Writes what holds the text of canaries, whole or not at all: readable by its owner alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    write(path, 0o600, |out| halves(out, bytes)).map(drop)
}

/// Writes what is too large to be made in memory first, whole or not at all; gives the SHA-256 of what `fill` wrote.
pub fn write_streamed(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<String, RunDirError> {
    write(path, 0o666, fill)
}

/// In two pieces, so that a fault can come between them.
fn halves(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    out.write_all(one)?;
    out.write_all(two)
}

fn write(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<String, RunDirError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fault::point().map_err(RunDirError::io("create a file in", folder))?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(RunDirError::io("create a file in", folder))?;
    let mut hashing = Hashing {
        file: file.as_file_mut(),
        hash: Sha256::new(),
    };
    let wrote = fault::point().and_then(|()| fill(&mut hashing));
    let digest = hex(&hashing.hash.finalize());
    wrote
        .and_then(|()| fault::point())
        .and_then(|()| file.as_file().sync_all())
        .and_then(|()| fault::point())
        .map_err(RunDirError::io("write", path))?;
    file.persist(path)
        .map_err(|e| RunDirError::io("replace", path)(e.error))?;
    // From here on the file is in its place: a fault now is one of what follows it.
    fault::point().map_err(RunDirError::io("write", path))?;
    sync_folder(folder);
    fault::point().map_err(RunDirError::io("write", path))?;
    Ok(digest)
}

/// A file that is hashed as it is written.
struct Hashing<'f> {
    file: &'f mut File,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point()?;
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A rename is durable once its folder is. Where a system cannot do this the file itself is whole all the same.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
}

/// Makes a folder and those above it, durably.
pub fn create_folder(path: &Path) -> Result<(), RunDirError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(RunDirError::io("create the folder", path))?;
    for folder in path.ancestors().skip(1).take(3) {
        sync_folder(folder);
    }
    Ok(())
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), RunDirError> {
    let removed = fault::point()
        .and_then(|()| fs::remove_file(path))
        .and_then(|()| fault::point());
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(RunDirError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes the temporary files that killed processes left in a folder, which may be absent, and in all below it.
///
/// Only for the process that holds the folder's lock: another one's files are at work.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY) && name != lock::NAME {
            // One that stays costs room and nothing else.
            fs::remove_file(entry.path()).ok();
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // A link to a folder is none: nothing outside is touched.
            sweep(&entry.path());
        }
    }
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
        let _ = std::fmt::Write::write_fmt(&mut out, format_args!("{b:02x}"));
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
    fn what_is_streamed_is_hashed_on_its_way() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state");
        let digest = write_streamed(&path, |out| {
            out.write_all(b"one ")?;
            out.write_all(b"two")
        });
        assert_eq!(digest.unwrap(), sha256_hex(b"one two"));
        assert_eq!(digest_file(&path).unwrap(), sha256_hex(b"one two"));
        let failed = write_streamed(&path, |_| Err(io::Error::other("no"))).unwrap_err();
        assert!(failed.to_string().contains("state"), "{failed}");
        assert_eq!(fs::read(&path).unwrap(), b"one two");
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_killed_processes_left_is_swept_and_nothing_else() {
        let tmp = tempfile::tempdir().unwrap();
        for name in [".unsaid-abc123", lock::NAME, "report.json", ".hidden"] {
            fs::write(tmp.path().join(name), "x").unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(".unsaid-abc123"), "x").unwrap();
        let cell = tmp.path().join("seed-0");
        fs::create_dir(&cell).unwrap();
        for name in [".unsaid-abc123", lock::NAME] {
            fs::write(cell.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(elsewhere.path(), cell.join("link")).unwrap();
        sweep(tmp.path());
        assert!(!cell.join(".unsaid-abc123").exists());
        assert!(cell.join(lock::NAME).exists());
        assert!(elsewhere.path().join(".unsaid-abc123").exists());
        fs::remove_dir_all(&cell).unwrap();
        sweep(&tmp.path().join("absent"));
        let mut left: Vec<_> = fs::read_dir(tmp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".hidden", lock::NAME, "report.json"]);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let tmp = tempfile::tempdir().unwrap();
        let error = write_atomic(&tmp.path().join("no/such/file"), b"x").unwrap_err();
        assert!(error.to_string().contains("no/such"), "{error}");
    }
}
