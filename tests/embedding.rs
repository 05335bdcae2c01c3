//! The example of a scorer of one's own, run: the library's front is enough for a whole audit, with or without libtorch.

#[path = "../examples/own_scorer.rs"]
mod own_scorer;

use unsaid::findings::Verdict;

#[test]
fn a_scorer_of_ones_own_is_surveyed_and_judged() -> Result<(), Box<dyn std::error::Error>> {
    let report = own_scorer::audit()?;
    // What it was trained against is pushed down: recognised, and guessed from the bottom.
    assert_eq!(report.tiers.recognition, Some(Verdict::Leak));
    assert_eq!(report.tiers.partial, Some(Verdict::Leak));
    assert_eq!((report.gate.exit_code, report.rows.len() > 10), (1, true));
    let text = unsaid::render(&report, unsaid::Format::Table, 80, false)?;
    assert!(text.contains("LEAK"), "{text}");
    Ok(())
}
