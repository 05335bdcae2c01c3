//! What a fetch leaves in the cache, and what it asks for.

use std::fs;
use std::path::Path;

use unsaid::checkpoint::hub::HubError;

use super::fixture::{COMMIT, Fixture, ID, LATER, Notes, TOKEN, checkpoint, etag};

#[test]
fn a_fetch_leaves_the_layout_that_every_tool_of_the_hub_shares() {
    let fixture = Fixture::new();
    let located = fixture.fetch("main").expect("a model");
    fixture.is_whole(&located);
    assert_eq!(located.commit.as_deref(), Some(COMMIT));
    assert_eq!(located.path, fixture.repo().join("snapshots").join(COMMIT));
    assert_eq!(
        fs::read_to_string(fixture.repo().join("refs/main")).expect("a ref"),
        COMMIT
    );
    for (name, bytes) in checkpoint() {
        let target = fs::read_link(located.path.join(&name)).expect("a link");
        assert_eq!(
            target,
            Path::new("../../blobs").join(etag(&bytes)),
            "{name}"
        );
    }
    let blobs = fs::read_dir(fixture.repo().join("blobs")).expect("blobs");
    assert_eq!(blobs.count(), 3, "nothing but the files");
    assert!(
        fixture
            .cache()
            .join(".locks/models--lab--tiny-neox")
            .is_dir()
    );
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let fixture = Fixture::new();
    fixture.fetch("main").expect("a model");
    let asked = fixture.hub.requests("");
    assert_eq!(asked.len(), 4, "a description and three files");
    let bearer = format!("Bearer {TOKEN}");
    assert!(asked.iter().all(|r| r.token.as_ref() == Some(&bearer)));
    let elsewhere = fixture.elsewhere.requests("");
    assert_eq!(elsewhere.len(), 1, "the weights");
    assert!(elsewhere.iter().all(|r| r.token.is_none()), "{elsewhere:?}");
}

#[test]
fn what_is_in_the_cache_is_not_fetched_again() {
    let fixture = Fixture::new();
    fixture.fetch("main").expect("a model");
    fixture.hub.requests("");
    fixture.elsewhere.requests("");
    // A branch may have moved: one question, no file.
    let again = fixture.fetch("main").expect("the model again");
    assert_eq!(fixture.hub.requests("").len(), 1);
    // A tag of the same commit: its files are here.
    fixture.fetch("step3000").expect("the tag");
    fixture.fetch("refs/pr/1").expect("a name with slashes");
    assert_eq!(fixture.hub.requests("resolve").len(), 0);
    assert!(fixture.repo().join("refs/refs/pr/1").exists());
    // A commit never moves: not even a question.
    assert_eq!(fixture.fetch(COMMIT).expect("the commit"), again);
    assert_eq!(fixture.hub.requests("").len(), 0);
    assert_eq!(fixture.elsewhere.requests("").len(), 0);
}

#[test]
fn offline_serves_what_is_whole_and_names_what_is_missing() {
    let fixture = Fixture::new();
    let mut offline = fixture.client();
    offline.offline = true;
    let fetch = |revision| offline.fetch(ID, revision, &mut Notes::default());
    let error = fetch("main").expect_err("nothing is here").to_string();
    for word in [ID, "main", "HF_HUB_OFFLINE", "hf download", "model.path"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let located = fixture.fetch("main").expect("a model");
    fixture.hub.requests("");
    assert_eq!(fetch("main").expect("from the cache"), located);
    assert_eq!(fetch(COMMIT).expect("from the cache"), located);
    assert!(fetch("step3000").is_err(), "never fetched by this name");
    fs::remove_file(located.path.join("model.safetensors")).expect("remove");
    let error = fetch("main").expect_err("not whole").to_string();
    assert!(error.contains("model.safetensors is missing"), "{error}");
    assert_eq!(fixture.hub.requests("").len(), 0, "offline asks nobody");
}

#[test]
fn a_branch_that_moved_is_noticed() {
    let fixture = Fixture::new();
    fixture.fetch("main").expect("a model");
    fixture.move_main();
    let mut notes = Notes::default();
    let located = fixture
        .client()
        .fetch(ID, "main", &mut notes)
        .expect("the later one");
    fixture.is_whole(&located);
    assert_eq!(located.commit.as_deref(), Some(LATER));
    assert!(
        notes
            .told
            .iter()
            .any(|n| n.contains(COMMIT) && n.contains(LATER)),
        "{:?}",
        notes.told
    );
    // The small files are the same bytes: only the weights came again.
    assert_eq!(fixture.elsewhere.requests("").len(), 2);
    fixture.is_whole(&fixture.fetch(COMMIT).expect("the earlier one"));
}

#[test]
fn a_hub_that_cannot_be_asked_leaves_the_cache_to_serve() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let located = fixture.fetch("main").expect("a model");
    // Nobody listens on a port that was just given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    client.endpoint = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let mut notes = Notes::default();
    assert_eq!(
        client.fetch(ID, "main", &mut notes).expect("cached"),
        located
    );
    assert!(
        notes.told.len() == 1 && notes.told[0].contains("from the cache"),
        "{:?}",
        notes.told
    );
    let error = client
        .fetch("lab/other", "main", &mut notes)
        .expect_err("nothing is here");
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(!error.is_input() && error.to_string().contains("HTTPS_PROXY"));
}

#[test]
fn two_at_once_fetch_every_file_once() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| fixture.fetch("main")));
        for one in both {
            fixture.is_whole(&one.join().expect("no panic").expect("a model"));
        }
    });
    assert_eq!(fixture.elsewhere.requests("").len(), 1);
}

#[test]
fn shards_are_fetched_by_their_index() {
    let fixture = Fixture::with(sharded("model-00002-of-00002.safetensors"));
    let located = fixture.fetch("main").expect("a model");
    for shard in [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ] {
        assert!(located.path.join(shard).exists(), "{shard}");
    }
    let mut offline = fixture.client();
    offline.offline = true;
    let fetch = || offline.fetch(ID, "main", &mut Notes::default());
    fetch().expect("whole");
    fs::remove_file(located.path.join("model-00002-of-00002.safetensors")).expect("remove");
    let error = fetch().expect_err("a shard is missing").to_string();
    assert!(
        error.contains("model-00002-of-00002.safetensors"),
        "{error}"
    );
}

/// The fixture with two shards (their bytes do not matter here), the second one by this name.
pub(crate) fn sharded(second: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = checkpoint();
    let weights = files.remove("model.safetensors").expect("weights");
    let index = serde_json::json!({"weight_map": {
        "a": "model-00001-of-00002.safetensors", "b": second,
    }});
    let (one, two) = weights.split_at(weights.len() / 2);
    files.insert("model-00001-of-00002.safetensors".to_owned(), one.to_vec());
    files.insert("model-00002-of-00002.safetensors".to_owned(), two.to_vec());
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.to_string().into_bytes(),
    );
    files
}
