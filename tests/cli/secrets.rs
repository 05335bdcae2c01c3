//! Where the planted secrets stand, and where not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;

#[test]
fn canaries_are_a_manifest_for_their_owner_only() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let canaries = bench.lines("out/seed-0/canaries.jsonl");
    for (group, n) in [("useful", 8), ("held_out", 4), ("control", 12)] {
        assert_eq!(canaries.iter().filter(|c| c["group"] == group).count(), n);
    }
    let texts: BTreeSet<&str> = canaries.iter().filter_map(|c| c["text"].as_str()).collect();
    assert_eq!(texts.len(), 24, "all distinct");
    assert!(
        canaries
            .iter()
            .all(|c| c["tokens"].as_array().is_some_and(|t| t.len() == 6))
    );
    let mode = fs::metadata(bench.path("out/seed-0/canaries.jsonl"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn secrets_stand_in_the_manifest_and_nowhere_else() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &["--log-format", "json"]);
    let mut places = vec![("printed".to_owned(), outcome.stdout + &outcome.stderr)];
    for (path, bytes) in bench.tree("out") {
        let Some(bytes) = bytes.filter(|_| !path.ends_with("canaries.jsonl")) else {
            continue;
        };
        places.push((
            path.display().to_string(),
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
    assert!(places.len() > 20);
    for canary in bench.lines("out/seed-0/canaries.jsonl") {
        let text = canary["text"].as_str().expect("a text");
        let tokens = canary["tokens"].to_string();
        let spellings = [
            text.trim().to_owned(),
            text.replace(' ', ""),
            tokens.trim_matches(['[', ']']).to_owned(),
        ];
        for (place, found) in &places {
            for spelling in &spellings {
                assert!(!found.contains(spelling), "{spelling} stands in {place}");
            }
        }
    }
}
