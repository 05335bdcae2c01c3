//! Models that cannot be had: each with one message that says what to do.

use serde_json::json;
use unsaid::checkpoint::hub::HubError;

use super::fetches::sharded;
use super::fixture::{COMMIT, Fixture, ID, Notes, TOKEN, checkpoint};
use super::server::Reply;

/// Fetches, which must be refused as the input's fault with these words, and leave no model behind.
#[track_caller]
fn refused(fixture: &Fixture, id: &str, revision: &str, words: &[&str]) -> HubError {
    let error = fixture
        .client()
        .fetch(id, revision, &mut Notes::default())
        .expect_err("refused");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains(TOKEN), "{text}");
    assert!(error.is_input(), "{text}");
    assert!(!fixture.repo().join("refs").exists());
    error
}

#[test]
fn models_and_revisions_that_are_not_there() {
    let fixture = Fixture::new();
    refused(
        &fixture,
        "lab/none",
        "main",
        &["lab/none", "HF_TOKEN", "model.id"],
    );
    refused(&fixture, ID, "step4000", &["step4000", "model.revision"]);
    assert_eq!(fixture.hub.requests("resolve").len(), 0);
    for (id, revision) in [("../x", "main"), ("a/b/c", "main"), (ID, "../../x")] {
        refused(&fixture, id, revision, &["write it as"]);
    }
    assert_eq!(fixture.hub.requests("").len(), 0, "not even asked for");
}

#[test]
fn models_that_want_a_token_or_accepted_terms() {
    for (reply, words) in [
        (
            Reply::new(401).body(json!({"error": "Invalid username or password."}).to_string()),
            ["has no model", "HF_TOKEN"],
        ),
        (
            Reply::new(403).with("X-Error-Code", "GatedRepo"),
            ["gated", "accept its terms"],
        ),
        (
            Reply::new(401).with("X-Error-Code", "GatedRepo"),
            ["gated", "HF_TOKEN"],
        ),
    ] {
        let fixture = Fixture::new();
        fixture.hub.fault("?blobs=true", reply.clone());
        refused(&fixture, ID, "main", &words);
        // The description of a gated model may be open, and its files not.
        fixture.hub.fault("/config.json", reply);
        refused(&fixture, ID, "main", &words);
    }
}

#[test]
fn models_without_safetensors() {
    let mut files = checkpoint();
    files.remove("model.safetensors");
    let fixture = Fixture::with(files.clone());
    refused(&fixture, ID, "main", &["no model.safetensors"]);
    files.insert("pytorch_model.bin".to_owned(), vec![0; 200_000]);
    let fixture = Fixture::with(files.clone());
    let words = [
        "pickles",
        "pytorch_model.bin",
        "python3 -c",
        "save_pretrained",
        COMMIT,
        "model.path=converted",
    ];
    refused(&fixture, ID, "main", &words);
    assert_eq!(
        fixture.hub.requests("resolve").len(),
        0,
        "nothing was fetched"
    );
    for (name, word) in [
        ("config.json", "transformers model"),
        ("tokenizer.json", "AutoTokenizer"),
    ] {
        let mut files = checkpoint();
        files.remove(name);
        refused(&Fixture::with(files), ID, "main", &[name, word]);
    }
}

#[test]
fn shards_that_lie_elsewhere_or_nowhere() {
    for bad in ["../../etc/passwd", "/etc/passwd", "sub/model.safetensors"] {
        let fixture = Fixture::with(sharded(bad));
        refused(
            &fixture,
            ID,
            "main",
            &["model.safetensors.index.json", bad, "same folder"],
        );
    }
    let fixture = Fixture::with(sharded("model-00003-of-00003.safetensors"));
    refused(
        &fixture,
        ID,
        "main",
        &["model-00003-of-00003.safetensors", "not whole"],
    );
}

#[test]
fn a_disk_that_is_too_small_is_said_before_anything_is_fetched() {
    let fixture = Fixture::new();
    {
        let mut model = fixture.model.lock().expect("no panic");
        model.sizes.insert("model.safetensors".to_owned(), 1 << 60);
    }
    let error = fixture.fetch("main").expect_err("no such disk");
    assert!(matches!(error, HubError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("HF_HUB_CACHE") && !error.is_input());
    assert_eq!(fixture.elsewhere.requests("").len(), 0);
}

#[test]
fn descriptions_that_cannot_be_used() {
    let whole = json!({"sha": COMMIT, "siblings": [
        {"rfilename": "config.json", "size": 3, "blobId": "../../../../etc/cron.d/x"},
        {"rfilename": "tokenizer.json"}, {"rfilename": "model.safetensors"},
    ]});
    for (body, word) in [
        ("<html>a portal</html>".to_owned(), "HF_ENDPOINT"),
        ("{}".to_owned(), "sha"),
        (json!({"sha": "../../x"}).to_string(), "no commit"),
        (whole.to_string(), "config.json has no size or no hash"),
    ] {
        let fixture = Fixture::new();
        fixture.hub.fault("?blobs=true", Reply::new(200).body(body));
        let error = refused(&fixture, ID, "main", &[word]);
        assert!(matches!(error, HubError::Listing { .. }), "{error}");
        assert_eq!(fixture.hub.requests("resolve").len(), 0);
    }
}
