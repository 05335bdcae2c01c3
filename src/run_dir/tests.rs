//! The folder of a run, and the stages of a cell.

use super::*;

#[test]
fn a_folder_that_holds_another_run_or_none_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("run");
    RunDir::open(&root, "a = 1\n").unwrap();
    RunDir::open(&root, "a = 1\n").unwrap();
    let error = RunDir::open(&root, "a = 2\n").unwrap_err();
    assert!(error.to_string().contains("`a = 1`"), "{error}");
    fs::remove_file(root.join("spec.toml")).unwrap();
    fs::write(root.join("thesis.tex"), "x").unwrap();
    assert!(matches!(
        RunDir::open(&root, "a = 1\n"),
        Err(RunDirError::NotARun { .. })
    ));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
}

#[test]
fn a_stage_is_done_only_with_its_files_as_recorded() {
    let tmp = tempfile::tempdir().unwrap();
    let cell = RunDir::existing(tmp.path()).cell(3);
    cell.create().unwrap();
    assert!(!cell.is_done("phase 1").unwrap());
    write_atomic(&cell.metrics(), b"one").unwrap();
    cell.record("phase 1", &[cell.metrics()]).unwrap();
    assert!(cell.is_done("phase 1").unwrap());
    write_atomic(&cell.metrics(), b"two").unwrap();
    assert!(matches!(
        cell.is_done("phase 1"),
        Err(RunDirError::Changed { .. })
    ));
    cell.record("phase 2", &[cell.metrics()]).unwrap();
    assert!(cell.is_done("phase 1").unwrap() && cell.is_done("phase 2").unwrap());
}
