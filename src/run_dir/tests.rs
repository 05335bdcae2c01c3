//! The folder of a run, and who has it.

use super::*;

#[test]
fn a_folder_that_holds_another_run_or_none_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("run");
    drop(RunDir::open(&root, "a = 1\n").unwrap());
    drop(RunDir::open(&root, "a = 1\n").unwrap());
    let error = RunDir::open(&root, "a = 2\n").unwrap_err();
    assert!(error.to_string().contains("`a = 1`"), "{error}");
    fs::remove_file(root.join("spec.toml")).unwrap();
    fs::write(root.join("thesis.tex"), "x").unwrap();
    assert!(matches!(
        RunDir::open(&root, "a = 1\n"),
        Err(RunDirError::NotARun { .. })
    ));
    // The thesis, and the lock of the runs before.
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
}

#[test]
fn one_process_at_a_time_has_it() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("run");
    let (dir, lock) = RunDir::open(&root, "a = 1\n").unwrap();
    fs::write(root.join(".unsaid-left"), "by a killed process").unwrap();
    fs::create_dir(root.join("plots")).unwrap();
    fs::write(root.join("plots/.unsaid-left"), "by the same").unwrap();
    let complete = dir.cell(0);
    complete.create().unwrap();
    fs::write(complete.root().join(".unsaid-left"), "by the same").unwrap();
    assert!(matches!(
        RunDir::open(&root, "a = 1\n"),
        Err(RunDirError::InUse { .. })
    ));
    assert!(root.join(".unsaid-left").exists());
    assert!(dir.spec().exists() && holder(&root).is_some());
    drop(lock);
    RunDir::open(&root, "a = 1\n").unwrap();
    assert!(!root.join(".unsaid-left").exists());
    assert!(!root.join("plots/.unsaid-left").exists());
    assert!(!complete.root().join(".unsaid-left").exists());
}

#[test]
fn cells_share_a_run_and_nobody_has_it_beside_them() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("run");
    let (dir, one) = RunDir::open_shared(&root, "a = 1\n").unwrap();
    let (_, two) = RunDir::open_shared(&root, "a = 1\n").unwrap();
    let cell = dir.cell(3);
    let lock = cell.lock().unwrap();
    assert!(matches!(cell.lock(), Err(RunDirError::InUse { .. })));
    drop(dir.cell(4).lock().unwrap());
    let error = RunDir::open(&root, "a = 1\n").unwrap_err();
    let who = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&who), "{error}");
    assert!(holder(&root).unwrap().contains(&who));
    drop((one, two));
    drop(lock);
    assert_eq!(holder(&root), None);
    let (_, all) = RunDir::open(&root, "a = 1\n").unwrap();
    assert!(matches!(
        RunDir::open_shared(&root, "a = 1\n"),
        Err(RunDirError::InUse { .. })
    ));
    RunDir::open_held(&root, "a = 1\n").unwrap();
    drop(all);
}
