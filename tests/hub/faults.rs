//! Connections that break, servers that send what they should not, and patience with bounds.

use std::fs;

use unsaid::checkpoint::hub::HubError;

use super::fixture::{COMMIT, Fixture, ID, LATER, Notes};
use super::server::Reply;

/// The whole weights, cut after some bytes.
fn cut(fixture: &Fixture, from: usize, bytes: usize) -> Reply {
    let (weights, _) = fixture.weights();
    let mut reply = Reply::file(&weights, (from > 0).then_some(from));
    reply.cut = Some(bytes);
    reply
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let fixture = Fixture::new();
    let (_, end) = fixture.weights();
    fixture.elsewhere.fault(&end, cut(&fixture, 0, 300_000));
    fixture
        .elsewhere
        .fault(&end, cut(&fixture, 300_000, 200_000));
    fixture.is_whole(&fixture.fetch("main").expect("a model"));
    let from: Vec<_> = fixture
        .elsewhere
        .requests("")
        .iter()
        .map(|r| r.range)
        .collect();
    assert_eq!(from, [None, Some(300_000), Some(500_000)]);
}

#[test]
fn an_interrupted_fetch_is_continued_by_the_next() {
    let fixture = Fixture::new();
    let mut notes = Notes {
        stop_after: Some(400_000),
        ..Notes::default()
    };
    let error = fixture.client().fetch(ID, "main", &mut notes);
    assert!(matches!(error, Err(HubError::Interrupted)));
    let kept = fs::metadata(fixture.incomplete()).expect("a part").len();
    assert!(kept >= 300_000, "{kept}");
    assert!(!fixture.repo().join("refs/main").exists(), "not whole yet");
    fixture.elsewhere.requests("");
    fixture.is_whole(&fixture.fetch("main").expect("a model"));
    let asked = fixture.elsewhere.requests("");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].range.map(|n| n as u64), Some(kept));
    assert!(!fixture.incomplete().exists());
}

#[test]
fn an_interrupted_update_leaves_the_earlier_commit_in_use() {
    let fixture = Fixture::new();
    let before = fixture.fetch("main").expect("a model");
    fixture.move_main();
    let mut notes = Notes {
        stop_after: Some(100_000),
        ..Notes::default()
    };
    assert!(fixture.client().fetch(ID, "main", &mut notes).is_err());
    let mut offline = fixture.client();
    offline.offline = true;
    let found = offline.fetch(ID, "main", &mut Notes::default());
    assert_eq!(found.expect("the earlier one"), before);
    let after = fixture.fetch("main").expect("the later one");
    assert_eq!(after.commit.as_deref(), Some(LATER));
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let fixture = Fixture::new();
    let (weights, end) = fixture.weights();
    fixture.elsewhere.fault(&end, cut(&fixture, 0, 300_000));
    fixture.elsewhere.fault(&end, Reply::new(200).body(weights));
    fixture.is_whole(&fixture.fetch("main").expect("a model"));
    assert_eq!(fixture.elsewhere.requests("").len(), 2);
}

#[test]
fn a_part_longer_than_the_file_or_of_other_bytes_is_begun_again() {
    for size in [10, 2_000_000] {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.repo().join("blobs")).expect("a folder");
        fs::write(fixture.incomplete(), vec![7; size]).expect("write");
        fixture.is_whole(&fixture.fetch("main").expect("a model"));
        assert!(!fixture.incomplete().exists());
    }
}

#[test]
fn wrong_lengths_and_wrong_bytes_are_never_kept() {
    let (whole, end) = Fixture::new().weights();
    let mut longer = Reply::new(200).body([&whole[..], b"more"].concat());
    let mut other = whole.clone();
    other[500_000] ^= 1;
    for (reply, words) in [
        (longer.clone(), "longer than"),
        (Reply::new(200).body(other), "its hash is"),
    ] {
        let fixture = Fixture::new();
        fixture.elsewhere.fault(&end, reply);
        let error = fixture.fetch("main").expect_err("wrong bytes");
        assert!(matches!(error, HubError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.is_input());
        assert!(!fixture.incomplete().exists());
        assert!(!fixture.repo().join("refs/main").exists());
        fixture.is_whole(&fixture.fetch("main").expect("the next try"));
    }
    // Announced too long: the body ends before it.
    longer.length = Some(whole.len() + 100);
    longer.body.truncate(whole.len());
    let fixture = Fixture::new();
    fixture.elsewhere.fault(&end, longer);
    fixture.is_whole(&fixture.fetch("main").expect("every byte came"));
}

#[test]
fn a_connection_that_never_brings_a_byte_is_given_up() {
    let fixture = Fixture::new();
    let (_, end) = fixture.weights();
    fixture.elsewhere.fault(&end, cut(&fixture, 0, 1000));
    for _ in 0..8 {
        fixture.elsewhere.fault(&end, cut(&fixture, 1000, 0));
    }
    let error = fixture.fetch("main").expect_err("no progress");
    assert!(matches!(error, HubError::Cut { done: 1000, .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("run the same command to continue")
    );
    assert_eq!(fixture.elsewhere.requests("").len(), 5, "bounded");
    assert_eq!(
        fs::metadata(fixture.incomplete()).expect("kept").len(),
        1000
    );
}

#[test]
fn passing_trouble_is_waited_out() {
    for status in [429, 500, 502, 503, 504] {
        let fixture = Fixture::new();
        let (_, end) = fixture.weights();
        let reply = Reply::new(status).with("Retry-After", "0");
        fixture.hub.fault("?blobs=true", reply.clone());
        fixture.hub.fault("/config.json", Reply::new(status));
        fixture.elsewhere.fault(&end, reply.clone());
        fixture.elsewhere.fault(&end, reply);
        fixture.is_whole(&fixture.fetch("main").expect("a model"));
    }
}

#[test]
fn trouble_that_does_not_pass_ends_after_a_few_tries() {
    let fixture = Fixture::new();
    let fail = |status: u16, wait: &str, times: usize| {
        for _ in 0..times {
            let reply = Reply::new(status).with("Retry-After", wait);
            fixture.hub.fault("?blobs=true", reply);
        }
        let error = fixture.fetch("main").expect_err("trouble");
        (error, fixture.hub.requests("").len())
    };
    let (error, tries) = fail(429, "0", 4);
    assert!(matches!(error, HubError::Busy { tries: 4, .. }), "{error}");
    assert!(tries == 4 && !error.is_input());
    // An hour is longer than anybody waits in front of a command: said at once.
    let (error, tries) = fail(429, "3600", 1);
    assert!(error.to_string().contains("3600 s"), "{error}");
    assert_eq!(tries, 1);
    let (error, tries) = fail(500, "0", 4);
    assert!(
        matches!(
            error,
            HubError::Status {
                status: 500,
                tries: 4,
                ..
            }
        ),
        "{error}"
    );
    assert!(tries == 4 && error.to_string().contains("later"));
    // With a whole model in the cache the trouble is a note.
    let located = fixture.fetch("main").expect("a model");
    for _ in 0..4 {
        fixture.hub.fault("?blobs=true", Reply::new(503));
    }
    let mut notes = Notes::default();
    let found = fixture.client().fetch(ID, "main", &mut notes);
    assert_eq!(found.expect("from the cache"), located);
    assert!(notes.told[0].contains("503"), "{:?}", notes.told);
}

#[test]
fn redirects_that_lead_nowhere_are_not_followed() {
    let fixture = Fixture::new();
    let home = format!("/{ID}/resolve/{COMMIT}/model.safetensors");
    for _ in 0..10 {
        fixture
            .hub
            .fault("model.safetensors", Reply::new(302).with("Location", &home));
    }
    let error = fixture.fetch("main").expect_err("circles").to_string();
    assert!(
        error.contains("in circles") && error.contains("HF_ENDPOINT"),
        "{error}"
    );
    let fixture = Fixture::new();
    let nowhere = Reply::new(302).with("Location", "file:///etc/passwd");
    fixture.hub.fault("model.safetensors", nowhere);
    let error = fixture.fetch("main").expect_err("no address").to_string();
    assert!(error.contains("no address"), "{error}");
}
