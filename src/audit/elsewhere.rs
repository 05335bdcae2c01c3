//! A model that was trained elsewhere: what its report says of that.

use std::collections::{BTreeMap, BTreeSet};

use crate::probes::CellObservations;
use crate::probes::elicitation::Attack;
use crate::run_dir::ProbeProvenance;
use crate::spec::Audit;

/// What is said of a probe without a reference.
const WITHOUT: &str = "No reference was given: whole canaries are judged by the model's own likelihood, in which what the base model \
    already found likely is noise (the minimum detectable effect grows, AUC is nearer to 0.5); attacks that compare two models (completion with a base or reference, \
    scan) are left out; and there is no placebo: the groups are exchangeable because they were minted at random. --reference BASE \
    takes that noise away and adds those rows.";

/// What is said where model and reference are one.
const SAME: &str = "The reference has the very weights of the model: nothing was trained between the two. Was the wrong folder \
    given, or an adapter not applied?";

/// What is said of a probe for secrets of a file.
const WHOLE: &str = "The canaries are secrets of a file, whose distribution is unknown. They are compared with \
    controls that come from the same file by a random split: how likely the model finds them whole, and what follows their beginning. \
    Probes that guess letters or count candidates do not apply.";

/// What the fine-tuning of a probe was, or that there was none; and what the lack of a reference means.
pub(super) fn notes(
    audit: &Audit,
    (probe, model): (&ProbeProvenance, &BTreeMap<String, String>),
    cells: &[CellObservations],
) -> Vec<String> {
    let mut notes = Vec::new();
    if probe.attacker_knows.is_some() {
        let attacks = cells.iter().flat_map(|cell| &cell.attacks);
        let (benign, taught): (Vec<&Attack>, Vec<&Attack>) = attacks.partition(|a| a.known == 0);
        let mut copies = Vec::new();
        if !taught.is_empty() {
            let counts: Vec<String> = taught.iter().map(|a| a.known.to_string()).collect();
            copies.push(format!(
                "{} of the manifest's {} useful canaries",
                counts.join(", "),
                audit.useful()
            ));
        }
        if !benign.is_empty() {
            copies.push("random text of the kind".to_owned());
        }
        notes.push(format!(
            "Elicitation fine-tuned copies of the model, after the reverse prefix, on {}; no held-out and no control stood in any \
             term.",
            copies.join(", and on ")
        ));
    } else if audit.probes.elicitation.is_some() {
        notes.push(
            "Nothing was fine-tuned: what someone could elicit who may fine-tune is not covered; --elicit tries it."
                .to_owned(),
        );
    } else if audit.canaries.secrets.is_some() {
        notes.push(WHOLE.to_owned());
    }
    match &probe.reference_sha256 {
        Some(reference) if weights(reference) == weights(model) => notes.push(SAME.to_owned()),
        Some(_) => {}
        None => notes.push(WITHOUT.to_owned()),
    }
    notes
}

/// Digests of the files that hold weights.
fn weights(digests: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let weights = digests
        .iter()
        .filter(|(name, _)| name.ends_with(".safetensors"));
    weights.map(|(_, digest)| digest.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, digest): &(&str, &str)| ((*name).to_owned(), (*digest).to_owned());
        files.iter().map(owned).collect()
    }

    /// A wrong path, or an adapter that was not applied.
    #[test]
    fn a_reference_with_the_models_own_weights_is_said() {
        let text = "format = 1\n[audit]\nname = 't'\nseeds = [0]\n[model]\npath = 'x'\n";
        let audit = crate::spec::parse(text, "t.toml".as_ref(), &[]).unwrap();
        let model = of(&[("config.json", "1"), ("model.safetensors", "2")]);
        let notes_of = |reference: Option<BTreeMap<String, String>>| {
            let probe = ProbeProvenance {
                minted_spec_sha256: String::new(),
                model: None,
                reference: reference.as_ref().map(|_| "r".to_owned()),
                reference_sha256: reference,
                reference_commit: None,
                attacker_knows: None,
            };
            notes(&audit, (&probe, &model), &[]).join(" ")
        };
        let same = of(&[("config.json", "3"), ("weights.safetensors", "2")]);
        assert!(notes_of(Some(same)).contains(SAME));
        let other = of(&[("config.json", "1"), ("model.safetensors", "4")]);
        assert!(!notes_of(Some(other)).contains(SAME));
        assert!(notes_of(None).contains(WITHOUT));
    }
}
