//! The model that an audit begins with: a checkpoint, or random weights of a shape.

use std::collections::BTreeMap;

use super::AuditError;
use crate::canary::Codebook;
use crate::checkpoint::shapes::like_pythia;
use crate::checkpoint::{
    CheckpointError, Folder, Likeness, LocateError, Located, ModelConfig, Source, Tokenizer,
    locate, obtain,
};
use crate::event::Observer;
use crate::spec::{Audit, Canaries, ModelSource, RandomShape};
use crate::units::TokenId;

/// What every seed begins with.
pub struct Base {
    pub(super) origin: Origin,
    /// What saved checkpoints carry beside their weights.
    pub likeness: Likeness,
    /// The tokens of letters and prefixes.
    pub book: Codebook,
    /// Tokens of the model's vocabulary.
    pub vocabulary: usize,
}

pub(super) enum Origin {
    /// One checkpoint, the same for every seed.
    Checkpoint {
        folder: Box<Folder>,
        commit: Option<String>,
    },
    /// Weights drawn from the seed.
    Random(RandomShape),
}

impl Base {
    /// Finds the model of an audit and checks all that could be wrong with it. Nothing is written.
    /// A model of the hub is fetched.
    pub fn find(audit: &Audit, observer: &mut dyn Observer) -> Result<Self, AuditError> {
        Self::found(audit, |source| obtain(source, observer))
    }

    /// Finds a model that is on this machine already; fetches nothing.
    pub fn find_here(audit: &Audit) -> Result<Self, AuditError> {
        Self::found(audit, locate)
    }

    fn found(
        audit: &Audit,
        mut find: impl FnMut(Source<'_>) -> Result<Located, LocateError>,
    ) -> Result<Self, AuditError> {
        for (key, is_given) in [
            ("canaries.secrets", audit.canaries.secrets.is_some()),
            ("canaries.template", audit.canaries.template.is_some()),
        ] {
            if is_given {
                return Err(AuditError::OnlyMinted(key));
            }
        }
        let source = match &audit.model {
            ModelSource::Random(shape) => return Self::random_weights(audit, *shape),
            ModelSource::Path(path) => Source::Path(path),
            ModelSource::Hub { id, revision } => Source::Hub { id, revision },
        };
        let located = find(source).map_err(CheckpointError::from)?;
        let folder = Folder::open_on(&located.path, audit.adapter_base.as_deref(), &mut find)?;
        let tokenizer = folder.tokenizer()?;
        let book = codebook(&audit.canaries, &folder.config, &tokenizer)?;
        Ok(Self {
            likeness: Likeness::of(&folder)?,
            book,
            vocabulary: folder.config.vocab_size,
            origin: Origin::Checkpoint {
                folder: Box::new(folder),
                commit: located.commit,
            },
        })
    }

    /// Letters take the tokens from 0 in alphabet order, then come the prefixes; a prefix that is a letter is its token.
    fn random_weights(audit: &Audit, shape: RandomShape) -> Result<Self, AuditError> {
        let canaries = &audit.canaries;
        let prefixes = canaries
            .prefixes
            .iter()
            .flat_map(|p| [&p.regular, &p.reverse]);
        let mut tokens: Vec<(&str, TokenId)> = Vec::new();
        for text in canaries.alphabet.iter().chain(prefixes) {
            if tokens.iter().all(|(known, _)| known != text) {
                let next = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
                tokens.push((text, TokenId(next)));
            }
        }
        let config = config(shape);
        let likeness = Likeness::made(&config, &tokens)?;
        // Looked up in the tokenizer that is saved with the checkpoints, so that the two cannot disagree.
        let tokenizer = Tokenizer::parse(likeness.tokenizer()).map_err(CheckpointError::from)?;
        Ok(Self {
            book: codebook(canaries, &config, &tokenizer)?,
            vocabulary: config.vocab_size,
            likeness,
            origin: Origin::Random(shape),
        })
    }

    /// sha256 of the checkpoint's files; none of random weights.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        match &self.origin {
            Origin::Checkpoint { folder, .. } => folder.digests(),
            Origin::Random(_) => Ok(BTreeMap::new()),
        }
    }

    /// The checkpoint's commit, where it came from the hub's cache.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match &self.origin {
            Origin::Checkpoint { commit, .. } => commit.as_deref(),
            Origin::Random(_) => None,
        }
    }

    /// The shape of random weights.
    #[must_use]
    pub fn random(&self) -> Option<RandomShape> {
        match self.origin {
            Origin::Checkpoint { .. } => None,
            Origin::Random(shape) => Some(shape),
        }
    }
}

pub(super) fn config(shape: RandomShape) -> ModelConfig {
    like_pythia(shape.layers, shape.width, shape.heads, shape.vocabulary)
}

/// The tokens of letters and prefixes.
pub fn codebook(
    canaries: &Canaries,
    config: &ModelConfig,
    tokenizer: &Tokenizer,
) -> Result<Codebook, AuditError> {
    let max = config.max_positions;
    if canaries.length > max {
        return Err(AuditError::TooLong {
            length: canaries.length,
            max,
        });
    }
    let prefixes = canaries
        .prefixes
        .as_ref()
        .map(|p| [p.regular.as_str(), p.reverse.as_str()]);
    let book = Codebook::resolve(&canaries.alphabet, prefixes, canaries.first_token, |text| {
        tokenizer.encode(text).map_err(|e| e.to_string())
    })?;
    book.fits(config.vocab_size)?;
    Ok(book)
}

/// How a report calls the model that an audit begins with.
#[must_use]
pub fn origin(source: &ModelSource) -> String {
    match source {
        ModelSource::Hub { id, revision } if revision == "main" => id.clone(),
        ModelSource::Hub { id, revision } => format!("{id} ({revision})"),
        ModelSource::Path(path) => path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        ),
        ModelSource::Random(s) => format!(
            "random weights, {} layers × {}, {} heads, vocabulary {}",
            s.layers, s.width, s.heads, s.vocabulary
        ),
    }
}
