//! Which architecture a config asks for, and what lies where in the flat buffer of its parameters.

use super::architecture::{Blueprint, Tensors};
use super::layer::Norm;
use super::params::{Part, TensorSpec};
use super::{gpt2, llama, neox};
use crate::checkpoint::{Family, ModelConfig};

/// The architecture of a config.
pub(super) fn blueprint(config: &ModelConfig) -> Blueprint {
    match &config.family {
        Family::Neox(neox) => neox::blueprint(config, neox),
        Family::Gpt2(gpt2) => gpt2::blueprint(config, gpt2),
        Family::Llama(llama) => llama::blueprint(config, llama),
    }
}

/// Where tensors lie that a forward pass asks for, by slot.
#[derive(Debug)]
pub(super) struct Places {
    /// Learned positions.
    pub(super) positions: Option<usize>,
    /// First slot of each layer.
    pub(super) layers: Vec<usize>,
    /// The final norm, and its first slot.
    pub(super) final_norm: (Norm, usize),
    /// The output embedding, or the one for both ends: always the last.
    pub(super) output: usize,
}

/// Lays out all tensors but an input embedding of its own, in the order of [`Part`].
pub(super) fn layout(config: &ModelConfig, blueprint: &Blueprint) -> (Vec<TensorSpec>, Places) {
    let (names, hidden) = (&blueprint.names, config.hidden_size);
    let base = names.base;
    let table = |name: String, rows, part, is_exact| TensorSpec {
        name,
        shape: vec![rows, hidden],
        part,
        is_exact,
    };
    let mut specs = Vec::new();
    if let Some(name) = names.positions {
        let rows = config.max_positions;
        specs.push(table(format!("{base}{name}"), rows, Part::Positions, true));
    }
    let mut layers = Vec::new();
    let mut add_layers = |specs: &mut Vec<TensorSpec>, range: std::ops::Range<usize>, part| {
        for n in range {
            layers.push(specs.len());
            let owner = format!("{base}{}.{n}.", names.layers);
            specs.extend(blueprint.tensors.specs(&owner, part));
        }
    };
    let half = config.layers / 2;
    add_layers(&mut specs, 0..half, Part::Lower);
    let norm_slot = specs.len();
    let mut last = Tensors::default();
    let (name, norm) = names.final_norm;
    let norm = norm(&mut last, name, hidden);
    specs.extend(last.specs(base, Part::FinalNorm));
    add_layers(&mut specs, half..config.layers, Part::Upper);
    let (name, part) = if config.is_tied {
        (format!("{base}{}", names.input), Part::Tied)
    } else {
        (names.output.to_owned(), Part::Output)
    };
    specs.push(table(name, config.vocab_size, part, false));
    let places = Places {
        positions: names.positions.map(|_| 0),
        layers,
        final_norm: (norm, norm_slot),
        output: specs.len() - 1,
    };
    (specs, places)
}

/// Names and shapes of all tensors of a checkpoint, the input embedding first where it has one of its own.
pub(super) fn expected(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let blueprint = blueprint(config);
    let names = &blueprint.names;
    let input = (
        format!("{}{}", names.base, names.input),
        vec![config.vocab_size, config.hidden_size],
    );
    let others = layout(config, &blueprint).0.into_iter();
    let own = (!config.is_tied).then_some(input);
    own.into_iter()
        .chain(others.map(|spec| (spec.name, spec.shape)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::size::{matrix_parameters, parameters};

    /// What is counted before anything is there is what there is.
    #[test]
    fn every_architectures_parameters_are_counted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut folders = vec![root.join("tiny-neox")];
        let entries = std::fs::read_dir(root.join("architectures")).unwrap();
        folders.extend(entries.map(|entry| entry.unwrap().path()));
        let mut families = std::collections::BTreeSet::new();
        for path in folders.iter().map(|folder| folder.join("config.json")) {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let config = ModelConfig::parse(&text, &path).unwrap();
            families.insert(format!("{:?}", std::mem::discriminant(&config.family)));
            let numel = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>();
            let all = expected(&config);
            let found: usize = all.iter().map(numel).sum();
            assert_eq!(parameters(&config), found, "{}", path.display());
            let matrices = |(name, shape): &&(String, Vec<usize>)| {
                let owner = format!("{}.", blueprint(&config).names.layers);
                shape.len() == 2 && name.contains(&owner)
            };
            let found: usize = all.iter().filter(matrices).map(numel).sum();
            let counted = matrix_parameters(&config).layers;
            assert_eq!(counted, found, "{}", path.display());
        }
        assert_eq!(families.len(), 3);
    }
}
