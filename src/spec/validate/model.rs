//! `[model]`: one source, and what it must say.

use std::path::{Path, PathBuf, absolute};

use super::super::audit::{Canaries, ModelSource, RandomShape};
use super::super::error::{Place, SpecError};
use super::super::typed::{TypedModel, TypedRandom};
use super::check::Checker;
use super::is_plain;

/// Most layers; more is a slip of the hand.
const LAYERS_MAX: usize = 1000;

/// Widest residual stream.
const WIDTH_MAX: usize = 1 << 16;

/// Largest vocabulary: what a checkpoint's config may have at most.
const VOCABULARY_MAX: usize = 1 << 24;

/// A head's width comes in these units: a quarter of it rotates, and what rotates comes in pairs.
const HEAD_UNIT: usize = 8;

pub(super) fn model(
    checker: &Checker<'_>,
    typed: &TypedModel,
    base: &Path,
    canaries: &Canaries,
) -> Result<ModelSource, SpecError> {
    let given = [
        ("model.path", typed.path.is_some()),
        ("model.id", typed.id.is_some()),
        ("model.random", typed.random.is_some()),
    ];
    let given: Vec<&str> = given
        .iter()
        .filter(|(_, given)| *given)
        .map(|(key, _)| *key)
        .collect();
    if let [first, second, ..] = given[..] {
        let expected = format!("absent where `{second}` is given");
        return Err(checker.refuse(first, &expected, "keep one of `path`, `id` and `random`"));
    }
    if typed.id.is_none() {
        let mend = "remove it: only `id` has a revision";
        let expected = "absent where `model.id` is not given";
        checker.demand(
            typed.revision.is_none() || given.is_empty(),
            "model.revision",
            expected,
            mend,
        )?;
    }
    match (&typed.path, &typed.id, &typed.random) {
        (Some(path), ..) => {
            let mend = "name the folder that holds config.json";
            let path = folder(checker, "model.path", path, base, mend)?;
            Ok(ModelSource::Path(path))
        }
        (_, Some(id), _) => hub(checker, id, typed.revision.as_deref()),
        (.., Some(shape)) => Ok(ModelSource::Random(random(checker, shape, canaries)?)),
        (None, None, None) => Err(checker.missing(
            "model",
            "write `path = \"FOLDER\"`, `id = \"EleutherAI/pythia-160m\"` or \
             `random = { layers = 8, width = 512, heads = 8, vocabulary = 64 }` in [model], or give `--set model.path=FOLDER`",
        )),
    }
}

/// The base of an adapter, where it was moved.
pub(super) fn adapter_base(
    checker: &Checker<'_>,
    typed: &TypedModel,
    base: &Path,
) -> Result<Option<PathBuf>, SpecError> {
    let Some(path) = &typed.base else {
        return Ok(None);
    };
    checker.demand(
        typed.random.is_none(),
        "model.base",
        "absent where `model.random` is given",
        "remove it: only an adapter has a base",
    )?;
    let mend = "name the folder of the model that the adapter was trained on";
    folder(checker, "model.base", path, base, mend).map(Some)
}

/// Random weights have no tokenizer: every distinct letter and prefix takes one token of the vocabulary.
fn random(
    checker: &Checker<'_>,
    typed: &TypedRandom,
    canaries: &Canaries,
) -> Result<RandomShape, SpecError> {
    let count = |name: &str, value: Option<usize>, example: usize, most| {
        let key = format!("model.random.{name}");
        let mend = format!("write `random = {{ …, {name} = {example} }}` in [model]");
        let value = value.ok_or_else(|| checker.missing(&key, &mend))?;
        let expected = format!("a whole number from 1 to {most}");
        checker.demand((1..=most).contains(&value), &key, &expected, &mend)?;
        Ok(value)
    };
    let shape = RandomShape {
        layers: count("layers", typed.layers, 8, LAYERS_MAX)?,
        width: count("width", typed.width, 512, WIDTH_MAX)?,
        heads: count("heads", typed.heads, 8, WIDTH_MAX / HEAD_UNIT)?,
        vocabulary: count("vocabulary", typed.vocabulary, 64, VOCABULARY_MAX)?,
    };
    let unit = HEAD_UNIT * shape.heads;
    checker.demand(
        shape.width.is_multiple_of(unit),
        "model.random.width",
        &format!("a multiple of {unit} (8 for each of {} heads)", shape.heads),
        "a quarter of each head rotates, in pairs: change the width or `heads`",
    )?;
    let letters = canaries.alphabet.len();
    let prefixes = canaries.prefixes.as_ref().map_or(0, |p| {
        [&p.regular, &p.reverse]
            .into_iter()
            .filter(|text| !canaries.alphabet.contains(text))
            .count()
    });
    checker.demand(
        shape.vocabulary >= letters + prefixes,
        "model.random.vocabulary",
        &format!(
            "at least {}: a token for each of {letters} letters and {prefixes} prefixes",
            letters + prefixes
        ),
        "raise it, or shorten `canaries.alphabet`",
    )?;
    Ok(shape)
}

/// A path of the file hangs on the file's folder, one of an argument on the working directory.
pub(super) fn folder(
    checker: &Checker<'_>,
    key: &str,
    path: &str,
    base: &Path,
    mend: &str,
) -> Result<PathBuf, SpecError> {
    checker.demand(!path.is_empty(), key, "a folder", mend)?;
    let place = checker.place(key);
    let path = if matches!(place, Place::Argument { .. }) {
        PathBuf::from(path)
    } else {
        base.join(path)
    };
    let (place, key) = (Box::new(place), key.to_owned());
    match absolute(&path) {
        Ok(path) if path.to_str().is_some() => Ok(path),
        Ok(path) => Err(SpecError::NotUtf8 { place, key, path }),
        Err(source) => Err(SpecError::Relative {
            place,
            key,
            path,
            source,
        }),
    }
}

/// Identifier and revision become folders of the cache, so neither may climb out of it.
fn hub(checker: &Checker<'_>, id: &str, revision: Option<&str>) -> Result<ModelSource, SpecError> {
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain);
    let mend =
        "write it as the hub does, `EleutherAI/pythia-160m`; a folder goes into `model.path`";
    checker.demand(
        id.split('/').count() <= 2 && id.split('/').all(part),
        "model.id",
        "`owner/name`",
        mend,
    )?;
    let revision = revision.unwrap_or("main");
    let mend = "write the branch, tag or commit, as `main`";
    checker.demand(
        revision.split('/').all(part),
        "model.revision",
        "the name of a branch, tag or commit",
        mend,
    )?;
    Ok(ModelSource::Hub {
        id: id.to_owned(),
        revision: revision.to_owned(),
    })
}
