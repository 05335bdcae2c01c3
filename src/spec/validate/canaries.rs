//! `[canaries]`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::audit::{Canaries, Prefixes, SECRET};
use super::super::error::SpecError;
use super::super::typed::{TypedAlphabet, TypedCanaries, TypedPrefixes};
use super::check::{COUNT_MAX, Checker};
use super::model::folder;

/// Fewest canaries of one dose: fewer could not tell a small leak from none.
const DOSE_LEAST: usize = 64;

/// Fewest spike-ins: of fewer a probe that works could miss all by chance.
const SPIKE_LEAST: usize = 8;

/// Longest canary; beyond it no shipped architecture has positions.
const LENGTH_MAX: usize = 1024;

pub(super) fn canaries(
    checker: &Checker<'_>,
    typed: &TypedCanaries,
    base: &Path,
) -> Result<Canaries, SpecError> {
    let count = |name: &str, value| checker.count(&format!("canaries.{name}"), value, 1, COUNT_MAX);
    let canaries = Canaries {
        alphabet: alphabet(checker, &typed.alphabet)?,
        length: checker.count("canaries.length", typed.length, 1, LENGTH_MAX)?,
        negatives: count("negatives", typed.negatives)?,
        held_out: count("held_out", typed.held_out)?,
        controls: count("controls", typed.controls)?,
        trajectory_controls: count("trajectory_controls", typed.trajectory_controls)?,
        repeats: count("repeats", typed.repeats)?,
        dose: typed.dose.clone(),
        spike: checker.count("canaries.spike", typed.spike, 0, COUNT_MAX)?,
        prefixes: prefixes(checker, &typed.prefixes)?,
        first_token: typed.first_token,
        template: template(checker, typed.template.as_deref())?,
        secrets: secrets(checker, typed, base)?,
    };
    groups_fit(checker, &canaries)?;
    dose(checker, &canaries)?;
    spike(checker, &canaries)?;
    Ok(canaries)
}

fn groups_fit(checker: &Checker<'_>, canaries: &Canaries) -> Result<(), SpecError> {
    let Canaries {
        negatives,
        controls,
        ..
    } = *canaries;
    checker.demand(
        canaries.held_out < negatives,
        "canaries.held_out",
        &format!("less than `canaries.negatives`, {negatives}"),
        "hold fewer out or plant more: the rest are the useful ones, the positive control",
    )?;
    checker.demand(
        canaries.trajectory_controls <= controls,
        "canaries.trajectory_controls",
        &format!("at most `canaries.controls`, {controls}"),
        &format!("they are the first of the controls: set `canaries.trajectory_controls = {controls}`, or ask for more controls"),
    )?;
    if canaries.secrets.is_some() {
        // Their file says how many there are.
        return Ok(());
    }
    // One must be left over: random training text has to differ from every canary.
    let letters = canaries.alphabet.len();
    let distinct = u32::try_from(canaries.length)
        .ok()
        .and_then(|length| (letters as u128).checked_pow(length));
    let asked = (negatives as u128) + (controls as u128) + (canaries.spike as u128);
    checker.demand(
        distinct.is_none_or(|distinct| asked < distinct),
        "canaries.length",
        &format!("long enough for more than {asked} distinct canaries (negatives + controls + spike) of {letters} letters"),
        "make canaries longer, the alphabet larger, or ask for fewer canaries",
    )
}

fn template(checker: &Checker<'_>, typed: Option<&str>) -> Result<Option<String>, SpecError> {
    let Some(text) = typed else { return Ok(None) };
    checker.demand(
        text.matches(SECRET).count() == 1 && !text.trim_start().starts_with(SECRET),
        "canaries.template",
        "a text with {secret} once, and something before it",
        "write it as \"the password is {secret}\"",
    )?;
    Ok(Some(text.to_owned()))
}

fn secrets(
    checker: &Checker<'_>,
    typed: &TypedCanaries,
    base: &Path,
) -> Result<Option<PathBuf>, SpecError> {
    let Some(path) = &typed.secrets else {
        return Ok(None);
    };
    checker.demand(
        typed.dose.is_empty(),
        "canaries.dose",
        "absent where `canaries.secrets` is given",
        "leave doses out: they are for drawn canaries",
    )?;
    let mend = "name a file with a secret a line, as text or as {\"text\": …}";
    folder(checker, "canaries.secrets", path, base, mend).map(Some)
}

fn dose(checker: &Checker<'_>, canaries: &Canaries) -> Result<(), SpecError> {
    let (doses, held_out) = (&canaries.dose, canaries.held_out);
    let good =
        doses.iter().all(|&d| (1..=COUNT_MAX).contains(&d)) && doses.is_sorted_by(|a, b| a < b);
    checker.demand(
        good,
        "canaries.dose",
        "rising whole numbers from 1",
        "write how often each subgroup stands on the rejected side, as `[1, 4, 15, 60]`; `[]` for none",
    )?;
    let least = DOSE_LEAST * doses.len();
    checker.demand(
        doses.is_empty() || (held_out >= least && held_out.is_multiple_of(doses.len())),
        "canaries.dose",
        &format!("so few that `canaries.held_out`, {held_out}, gives equal subgroups of {DOSE_LEAST} or more"),
        &format!("set `canaries.held_out = {least}`, or leave doses out"),
    )
}

fn spike(checker: &Checker<'_>, canaries: &Canaries) -> Result<(), SpecError> {
    let useful = canaries.negatives.saturating_sub(canaries.held_out);
    let most = useful / 2;
    checker.demand(
        canaries.spike == 0 || (SPIKE_LEAST..=most).contains(&canaries.spike),
        "canaries.spike",
        &format!("0, or from {SPIKE_LEAST} to {most}, half the useful canaries"),
        "fewer could be missed by chance, and more would leave too little random text on the chosen side; 0 for none",
    )
}

fn alphabet(checker: &Checker<'_>, typed: &TypedAlphabet) -> Result<Vec<String>, SpecError> {
    let key = "canaries.alphabet";
    let letters: Vec<String> = match typed {
        TypedAlphabet::Characters(characters) => {
            let plain = !characters
                .chars()
                .any(|c| c.is_whitespace() || c.is_control());
            let mend = "remove them, or give token texts as an array, `[\" a\", \" b\"]`";
            checker.demand(
                plain,
                key,
                "characters without spaces (each stands for itself after a space)",
                mend,
            )?;
            characters.chars().map(|c| format!(" {c}")).collect()
        }
        TypedAlphabet::Texts(texts) => texts.clone(),
    };
    let mend = "give the letters of a canary, as \"abcdefghijklmnopqrstuvwxyz\"";
    checker.demand(letters.len() >= 2, key, "two letters or more", mend)?;
    checker.demand(
        letters.iter().all(|letter| !letter.is_empty()),
        key,
        "texts that are not empty",
        "remove the empty one",
    )?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = letters.iter().find(|letter| !seen.insert(letter.as_str())) {
        return Err(checker.refuse(
            key,
            "distinct letters",
            &format!("leave out the second {:?}", twice.trim_start()),
        ));
    }
    Ok(letters)
}

fn prefixes(checker: &Checker<'_>, typed: &TypedPrefixes) -> Result<Option<Prefixes>, SpecError> {
    let texts = match typed {
        TypedPrefixes::Switch(false) => return Ok(None),
        TypedPrefixes::Switch(true) => {
            let mend = "leave the key out for the recipe's prefixes";
            return Err(checker.refuse(
                "canaries.prefixes",
                "a table of two texts, or false",
                mend,
            ));
        }
        TypedPrefixes::Texts(texts) => texts,
    };
    for (name, text) in [("regular", &texts.regular), ("reverse", &texts.reverse)] {
        let mend =
            "give it a text, or set `canaries.prefixes = false` for the ablation without prefixes";
        checker.demand(
            !text.is_empty(),
            &format!("canaries.prefixes.{name}"),
            "text that is not empty",
            mend,
        )?;
    }
    checker.demand(
        texts.regular != texts.reverse,
        "canaries.prefixes.reverse",
        "different from `canaries.prefixes.regular`",
        "change one, or set `canaries.prefixes = false` for the ablation without prefixes",
    )?;
    Ok(Some(Prefixes {
        regular: texts.regular.clone(),
        reverse: texts.reverse.clone(),
    }))
}
