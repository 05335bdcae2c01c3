//! What the program is made of, and from where.

#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_comes_from_one_registry_with_its_checksum() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    assert!(packages.len() > 50);
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        if name == "unsaid" {
            continue;
        }
        assert_eq!(package["source"].as_str(), Some(REGISTRY), "{name}");
        let checksum = package["checksum"].as_str().unwrap_or_default();
        assert!(checksum.len() == 64, "{name} has no checksum");
    }
}

#[test]
fn every_wheel_of_libtorch_is_pinned_by_its_sha256() {
    for list in ["ci/libtorch.txt", "ci/libtorch-cuda.txt"] {
        let text = read(list).replace("\\\n", " ");
        let pins: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#') && !l.starts_with("-r "))
            .collect();
        assert!(!pins.is_empty(), "{list}");
        for pin in pins {
            assert!(pin.contains("=="), "{list}: {pin}");
            let hashes: Vec<&str> = pin.split("--hash=sha256:").skip(1).map(str::trim).collect();
            let good = |h: &&str| h.len() == 64 && h.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                !hashes.is_empty() && hashes.iter().all(good),
                "{list}: {pin}"
            );
        }
    }
    assert!(read("ci/setup").contains("--require-hashes"));
}

/// The rules are checked by cargo-deny itself where it is installed; its advisories need the network and are not asked here.
#[test]
fn the_rules_on_dependencies_hold() {
    let rules: toml::Table = read("ci/deny.toml").parse().expect("TOML");
    for table in ["advisories", "licenses", "bans", "sources"] {
        assert!(rules.contains_key(table), "{table}");
    }
    let denied: BTreeSet<&str> = rules["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|rule| rule["crate"].as_str())
        .collect();
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        assert!(!denied.contains(name), "{name}");
    }
    let deny = Command::new("cargo-deny")
        .args([
            "--offline",
            "--config",
            "ci/deny.toml",
            "check",
            "licenses",
            "bans",
            "sources",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match deny {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => {
            println!("not tried: cargo-deny is not installed (cargo install cargo-deny --locked)")
        }
    }
}
