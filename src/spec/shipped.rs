//! The specs of `audits/` and their README.

use std::path::{Path, PathBuf};

use super::{Audit, ModelSource, keys, load, schema};
use crate::units::Phase;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("audits")
}

fn read(name: &str) -> Audit {
    load(&folder().join(format!("{name}.toml")), &[]).unwrap()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn readme() -> String {
    std::fs::read_to_string(folder().join("README.md")).unwrap()
}

#[test]
fn every_shipped_spec_is_valid_and_named_after_its_file() {
    let names = names();
    assert!(names.len() >= 10, "{names:?}");
    let readme = readme();
    for name in names {
        assert_eq!(read(&name).name, name);
        assert!(
            readme.contains(&format!("`{name}.toml`")),
            "{name} is not in README.md"
        );
        let text = std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
        assert!(
            text.starts_with("#:schema ./spec.schema.json\n"),
            "{name}: editors find the schema by the first line"
        );
        assert!(
            text.contains(&format!("unsaid run audits/{name}.toml")),
            "{name} does not say how to run it"
        );
    }
}

#[test]
fn the_readme_has_every_key_with_its_default() {
    let readme = readme();
    for key in keys::paths(&schema::EXAMPLES, "") {
        let heading = format!("### `[{key}]`");
        let row = match schema::default(&key) {
            Some(value) => format!("| `{key}` | `{value}` |"),
            None => format!("| `{key}` | "),
        };
        assert!(
            readme.contains(&row) || readme.contains(&heading),
            "README.md lacks a row that begins `{row}`"
        );
    }
}

#[test]
fn the_ablations_differ_from_the_recipe_in_one_thing() {
    let recipe = read("pythia-160m");
    assert_eq!(recipe.seeds, (0..8).collect::<Vec<_>>());
    // The effect that it asks for is one that its eight seeds can show.
    let as_recipe = |audit: Audit| Audit {
        probes: recipe.probes.clone(),
        name: recipe.name.clone(),
        seeds: recipe.seeds.clone(),
        ..audit
    };
    for name in ["no-freezing", "freeze-lower", "no-phase2"] {
        let audit = as_recipe(read(name));
        let mended = Audit {
            phase2: recipe.phase2,
            ..audit.clone()
        };
        assert_ne!(audit, recipe, "{name}");
        assert_eq!(mended, recipe, "{name}");
    }
    for name in ["no-prefix", "held-out-25"] {
        let audit = as_recipe(read(name));
        let mended = Audit {
            canaries: recipe.canaries.clone(),
            ..audit.clone()
        };
        assert_ne!(audit, recipe, "{name}");
        assert_eq!(mended, recipe, "{name}");
    }
    for name in ["pythia-70m", "pythia-410m", "pythia-1b"] {
        let audit = as_recipe(read(name));
        let id = format!("EleutherAI/{name}");
        assert_eq!(
            audit.model,
            ModelSource::Hub {
                id,
                revision: "main".to_owned()
            }
        );
        assert_eq!(
            Audit {
                model: recipe.model.clone(),
                ..audit
            },
            recipe,
            "{name}"
        );
    }
}

#[test]
fn the_quick_audit_keeps_its_budget() {
    let quick = read("quick");
    assert_eq!((quick.useful(), quick.pairs()), (48, 7680));
    assert_eq!(Phase::ALL.map(|phase| quick.steps(phase)), [240, 240, 240]);
    assert_eq!(quick.evaluations(Phase::Three), 24);
    assert!(
        matches!(&quick.model, ModelSource::Path(path) if path.ends_with("fixtures/tiny-neox"))
    );
}
