//! `[model]`: one source, and what it must say.

use std::path::{PathBuf, absolute};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::Audit;
use super::canaries::Canaries;
use super::document::Document;
use super::error::SpecError;

/// Most layers; more is a slip of the hand.
const LAYERS_MAX: usize = 1000;

/// Widest residual stream.
const WIDTH_MAX: usize = 1 << 16;

/// Largest vocabulary: what a checkpoint's config may have at most.
const VOCABULARY_MAX: usize = 1 << 24;

/// A head's width comes in these units: a quarter of it rotates, and what rotates comes in pairs.
const HEAD_UNIT: usize = 8;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A Hugging Face folder on this machine.
    Path(PathBuf),
    /// A model on the hub, looked up in the local cache.
    Hub {
        /// As `EleutherAI/pythia-160m`.
        id: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// Random weights of a shape, drawn anew for every seed.
    Random(RandomShape),
}

/// `[model]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModelKeys {
    /// A Hugging Face folder, or a PEFT folder of a `LoRA` adapter, which is laid onto its base.
    #[schemars(example = &"../models/pythia-160m")]
    pub path: Option<PathBuf>,
    /// A model on the hub, `owner/name`, fetched where the hub's cache lacks it.
    #[schemars(example = &"EleutherAI/pythia-160m")]
    pub id: Option<String>,
    /// Branch, tag (`step3000`) or commit of `id`; `main` where absent. Only with `id`.
    #[schemars(example = &"main")]
    pub revision: Option<String>,
    /// Random weights of a shape instead of a checkpoint: `{ layers = 8, width = 512, heads = 8, vocabulary = 64 }`.
    pub random: Option<RandomShape>,
    /// The folder of the adapter's base; absent: what `base_model_name_or_path` in its `adapter_config.json` names (a folder seen
    /// from the adapter's, or from the working directory, or a model on the hub).
    #[schemars(example = &"../models/base")]
    pub base: Option<PathBuf>,
    /// Arithmetic of training and scoring. Weights, moments, losses and log-probabilities are float32 in all of them, and the
    /// probes at the ends of phases are always asked in f32.
    #[schemars(title = "auto, f32, tf32 or bf16")]
    pub precision: Precision,
}

/// The shape of a model that begins with random weights; all else is as in Pythia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomShape {
    /// Layers.
    #[schemars(range(min = 1, max = LAYERS_MAX), example = 8)]
    pub layers: usize,
    /// Width of the residual stream; a multiple of 8 · `heads`. The MLP is four times as wide.
    #[schemars(range(min = 1, max = WIDTH_MAX), example = 512)]
    pub width: usize,
    /// Attention heads.
    #[schemars(range(min = 1, max = WIDTH_MAX / HEAD_UNIT), example = 8)]
    pub heads: usize,
    /// Tokens: at least one for each letter and prefix.
    #[schemars(range(min = 1, max = VOCABULARY_MAX), example = 64)]
    pub vocabulary: usize,
}

/// Arithmetic of training and scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The tool's choice: f32 until the equivalence of bf16 has been shown.
    #[default]
    Auto,
    /// Strict 32-bit floats.
    F32,
    /// 32-bit floats with TF32 products: CUDA only.
    Tf32,
    /// Products of operands rounded to bfloat16; emulated, slowly, on a CPU without instructions for it.
    Bf16,
}

impl ModelKeys {
    /// The keys that say where an audit's model comes from.
    pub(super) fn of(audit: &Audit) -> Self {
        let whole = |path: &PathBuf| absolute(path).unwrap_or_else(|_| path.clone());
        let keys = Self {
            base: audit.adapter_base.as_ref().map(whole),
            precision: audit.precision,
            ..Self::default()
        };
        match &audit.model {
            ModelSource::Path(path) => Self {
                path: Some(whole(path)),
                ..keys
            },
            ModelSource::Hub { id, revision } => Self {
                id: Some(id.clone()),
                revision: Some(revision.clone()),
                ..keys
            },
            ModelSource::Random(shape) => Self {
                random: Some(*shape),
                ..keys
            },
        }
    }

    /// Checks the table, makes its paths absolute and takes the source out of it.
    pub(super) fn source(
        &mut self,
        document: &Document<'_>,
        canaries: &Canaries,
    ) -> Result<ModelSource, SpecError> {
        document.demand(
            self.revision.is_none() || self.path.is_none() && self.random.is_none(),
            "model.revision",
            "absent where `model.id` is not given",
            "remove it: only `id` has a revision",
        )?;
        if let Some(base) = &mut self.base {
            document.demand(
                self.random.is_none(),
                "model.base",
                "absent where `model.random` is given",
                "remove it: only an adapter has a base",
            )?;
            let mend = "name the folder of the model that the adapter was trained on";
            document.resolve("model.base", base, mend)?;
        }
        match (&mut self.path, &self.id, self.random) {
            (Some(path), ..) => {
                document.resolve("model.path", path, "name the folder that holds config.json")?;
                Ok(ModelSource::Path(path.clone()))
            }
            (_, Some(id), _) => hub(document, id, self.revision.as_deref()),
            (.., Some(shape)) => {
                shape.check(document, canaries)?;
                Ok(ModelSource::Random(shape))
            }
            (None, None, None) => Err(document.missing(
                "model",
                "write `path = \"FOLDER\"`, `id = \"EleutherAI/pythia-160m\"` or \
                 `random = { layers = 8, width = 512, heads = 8, vocabulary = 64 }` in [model], or give `--set model.path=FOLDER`",
            )),
        }
    }
}

/// A model is named in one way.
pub(super) fn one_source(document: &Document<'_>) -> Result<(), SpecError> {
    let mut given = ["model.path", "model.id", "model.random"]
        .into_iter()
        .filter(|key| document.value(key).is_some());
    let (Some(first), Some(second)) = (given.next(), given.next()) else {
        return Ok(());
    };
    let expected = format!("absent where `{second}` is given");
    Err(document.refuse(first, &expected, "keep one of `path`, `id` and `random`"))
}

impl RandomShape {
    /// Random weights have no tokenizer: every distinct letter and prefix takes one token of the vocabulary.
    fn check(self, document: &Document<'_>, canaries: &Canaries) -> Result<(), SpecError> {
        let unit = HEAD_UNIT * self.heads;
        document.demand(
            self.width.is_multiple_of(unit),
            "model.random.width",
            &format!("a multiple of {unit} (8 for each of {} heads)", self.heads),
            "a quarter of each head rotates, in pairs: change the width or `heads`",
        )?;
        let letters = canaries.alphabet.len();
        let prefixes = canaries.prefixes.as_ref().map_or(0, |p| {
            [&p.regular, &p.reverse]
                .into_iter()
                .filter(|text| !canaries.alphabet.contains(text))
                .count()
        });
        document.demand(
            self.vocabulary >= letters + prefixes,
            "model.random.vocabulary",
            &format!(
                "at least {}: a token for each of {letters} letters and {prefixes} prefixes",
                letters + prefixes
            ),
            "raise it, or shorten `canaries.alphabet`",
        )
    }
}

/// Identifier and revision become folders of the cache, so neither may climb out of it.
fn hub(
    document: &Document<'_>,
    id: &str,
    revision: Option<&str>,
) -> Result<ModelSource, SpecError> {
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain);
    let mend =
        "write it as the hub does, `EleutherAI/pythia-160m`; a folder goes into `model.path`";
    document.demand(
        id.split('/').count() <= 2 && id.split('/').all(part),
        "model.id",
        "`owner/name`",
        mend,
    )?;
    let revision = revision.unwrap_or("main");
    let mend = "write the branch, tag or commit, as `main`";
    document.demand(
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

/// What the names of folders are made of here.
pub(super) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}
