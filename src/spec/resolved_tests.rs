use std::path::{Path, PathBuf};

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::spec::*;

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1e-4),
        Just(5e-324),
        Just(f64::MAX),
        0.0..10.0
    ]
}

fn positive() -> impl Strategy<Value = f64> {
    rate().prop_map(|rate| if rate > 0.0 { rate } else { 0.1 })
}

fn optimisations() -> impl Strategy<Value = Optimisation> {
    let counts = (1..5000_usize, 0..5000_usize, 1..50_usize);
    (counts, rate(), rate(), positive()).prop_map(
        |((batch, warmup_steps, eval_every), learning_rate, weight_decay, max_grad_norm)| {
            Optimisation {
                batch,
                learning_rate,
                warmup_steps,
                weight_decay,
                max_grad_norm,
                eval_every,
            }
        },
    )
}

fn alphabets() -> impl Strategy<Value = Vec<String>> {
    let texts = btree_set(any::<String>(), 2..30)
        .prop_map(|texts| {
            texts
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
        })
        .prop_filter("two letters", |texts| texts.len() >= 2);
    prop_oneof![
        Just(('a'..='z').map(|c| format!(" {c}")).collect::<Vec<_>>()),
        texts
    ]
}

fn all_canaries() -> impl Strategy<Value = Canaries> {
    let prefixes = (any::<String>(), any::<String>()).prop_map(|(one, other)| Prefixes {
        regular: format!(" r{one}"),
        reverse: format!(" s{other}"),
    });
    let counts = (
        16..1024_usize,
        1..5000_usize,
        1..5000_usize,
        1..5000_usize,
        1..5000_usize,
        1..100_usize,
    );
    (alphabets(), counts, option::of(prefixes), any::<bool>()).prop_map(
        |(
            alphabet,
            (length, useful, held_out, trajectory, more, repeats),
            prefixes,
            first_token,
        )| Canaries {
            alphabet,
            length,
            negatives: useful + held_out,
            held_out,
            controls: trajectory + more,
            trajectory_controls: trajectory,
            repeats,
            dose: if held_out % 2 == 0 && held_out >= 128 {
                vec![1, repeats + 1]
            } else {
                Vec::new()
            },
            spike: if useful >= 16 { 8 } else { 0 },
            prefixes,
            first_token,
            template: (repeats % 3 == 0).then(|| format!("{repeats} \"is\" {{secret}}.")),
            secrets: (repeats % 5 == 0 && (held_out % 2 == 1 || held_out < 128))
                .then(|| PathBuf::from(format!("/lists/{repeats}.txt"))),
        },
    )
}

fn freezes() -> impl Strategy<Value = Freeze> {
    prop_oneof![Just(Freeze::Upper), Just(Freeze::Lower), Just(Freeze::None)]
}

fn all_phases() -> impl Strategy<Value = (Phase1, Phase2, Phase3)> {
    let weights = (rate(), rate(), positive()).prop_map(|(dpo, reverse, regular)| Weights {
        dpo,
        reverse,
        regular,
    });
    let first = (any::<bool>(), 1..9000_usize, optimisations()).prop_map(
        |(skip, passwords, optimisation)| Phase1 {
            skip,
            passwords,
            optimisation,
        },
    );
    let second = (any::<bool>(), positive(), freezes(), optimisations()).prop_map(
        |(skip, beta, freeze, optimisation)| Phase2 {
            skip,
            beta,
            freeze,
            optimisation,
        },
    );
    let third = (positive(), freezes(), weights, optimisations()).prop_map(
        |(beta, freeze, weights, optimisation)| Phase3 {
            skip: false,
            beta,
            freeze,
            weights,
            optimisation,
        },
    );
    (first, second, third)
}

fn all_probes() -> impl Strategy<Value = Probes> {
    let control = || {
        prop_oneof![
            Just(PositiveControl::Required),
            Just(PositiveControl::NotApplicable)
        ]
    };
    let half = || 1e-9..=0.5;
    let elicitation = (control(), half(), positive(), positive(), 0..20_usize).prop_map(
        |(positive_control, rank, nats, single, contexts)| Elicitation {
            positive_control,
            smallest_effect_rank: rank,
            smallest_effect_averaged_rank: rank / 2.0,
            smallest_effect_nats: nats,
            smallest_effect_single: single,
            contexts,
        },
    );
    let share = || 1e-9..=1.0;
    let letters = btree_set(1..99_usize, 0..4);
    let few = (half(), positive(), positive(), positive());
    let low_logit = (
        control(),
        half(),
        half(),
        share(),
        letters,
        1..500_usize,
        few,
    )
        .prop_map(
            |(
                positive_control,
                auc,
                rank,
                recovered,
                letters,
                count,
                (spread, single, advantage, tail),
            )| LowLogit {
                positive_control,
                smallest_effect_auc: auc,
                smallest_effect_rank: rank,
                smallest_effect_single: single,
                smallest_effect_spread: spread,
                smallest_effect_advantage: advantage,
                smallest_effect_tail: tail,
                smallest_effect_rest: tail,
                smallest_effect_recovered: recovered,
                completion_letters: letters.into_iter().collect(),
                completion_guesses: count,
                completion_budgets: vec![count],
                altered_weights: count % 2 == 0,
                top_k: count,
            },
        );
    let generation = (
        control(),
        1..500_usize,
        positive(),
        option::of(1..30_usize),
        share(),
    );
    let generation = generation.prop_map(
        |(positive_control, samples, temperature, top_k, recovered)| Generation {
            positive_control,
            samples,
            temperature,
            top_k,
            seed: samples as u64,
            smallest_effect_recovered: recovered,
        },
    );
    let scan = (control(), 1..5_usize, 1..500_usize, share()).prop_map(
        |(positive_control, depth, count, effect)| Scan {
            positive_control,
            depth,
            top: count,
            beam: 2 * count,
            guesses: 3 * count,
            smallest_effect_enriched: effect,
            smallest_effect_recovered: effect,
        },
    );
    let others = (option::of(generation), option::of(scan));
    (option::of(elicitation), low_logit, others, any::<bool>()).prop_map(
        |(elicitation, low_logit, (generation, scan), on)| {
            let needed = elicitation.is_none();
            Probes {
                elicitation,
                low_logit: (on || needed).then_some(low_logit),
                generation,
                scan: scan.filter(|s| s.depth < 4),
            }
        },
    )
}

fn gates() -> impl Strategy<Value = (f64, usize, Vec<GatedTier>, Option<PathBuf>, Vec<Limit>)> {
    let tiers = prop_oneof![
        Just(vec![GatedTier::Recognition]),
        Just(vec![GatedTier::Extraction, GatedTier::Partial]),
    ];
    let limit = (any::<String>(), any::<bool>(), any::<bool>(), 0.0..=1.0).prop_map(
        |(text, three, upper, auc)| Limit {
            probe: String::new(),
            statistic: format!("s{text}"),
            phase: three.then_some(3),
            min_auc: (!upper).then_some(auc),
            max_auc: upper.then_some(auc),
        },
    );
    let baseline = option::of(any::<String>().prop_map(|x| PathBuf::from(format!("/runs/x{x}"))));
    (
        1e-12..0.499,
        14_000..1_000_000_usize,
        tiers,
        baseline,
        vec(limit, 0..3),
    )
}

fn everies() -> impl Strategy<Value = Every> {
    prop_oneof![
        (1..1_000_000_000_usize).prop_map(Every::Steps),
        (1..=604_800_u64).prop_map(|seconds| Every::Time(std::time::Duration::from_secs(seconds))),
    ]
}

prop_compose! {
    fn audits()(
        name in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}",
        seeds in btree_set(0..=SEED_MAX, 1..5),
        (threads, micro_batch) in (option::of(1..64_usize), option::of(1..512_usize)),
        every in everies(),
        folder in any::<String>(),
        source in 0..3_u8,
        (layers, heads, head, spare) in (1..40_usize, 1..20_usize, 1..20_usize, 2..300_usize),
        precision in prop_oneof![Just(Precision::Auto), Just(Precision::F32), Just(Precision::Tf32), Just(Precision::Bf16)],
        canaries in all_canaries(),
        (phase1, phase2, phase3) in all_phases(),
        probes in all_probes(),
        (alpha, permutations, tiers, baseline, limits) in gates(),
    ) -> Audit {
        let probe = if probes.low_logit.is_some() { "low_logit" } else { "elicitation" };
        let limits = limits.into_iter().map(|limit| Limit { probe: probe.to_owned(), ..limit }).collect();
        let vocabulary = canaries.alphabet.len() + spare;
        let model = match source {
            0 => ModelSource::Hub { id: "EleutherAI/pythia-70m".to_owned(), revision: "step1/x".to_owned() },
            1 => ModelSource::Path(PathBuf::from(format!("/models/x{folder}"))),
            _ => ModelSource::Random(RandomShape { layers, width: 8 * heads * head, heads, vocabulary }),
        };
        let is_random = matches!(model, ModelSource::Random(_));
        let adapter_base = (heads % 2 == 0 && !is_random).then(|| PathBuf::from(format!("/bases/y{folder}")));
        let seeds = seeds.into_iter().collect();
        let gate = Gate { alpha, permutations, tiers, baseline, baseline_margin: 40.0 * alpha, limits };
        Audit { name, seeds, threads, checkpoint_every: every, jobs: 1, micro_batch, model, adapter_base, precision, canaries, phase1, phase2, phase3, probes, gate }
    }
}

proptest! {
    #[test]
    fn every_audit_reads_back_unchanged(audit in audits()) {
        let text = to_toml(&audit);
        let back = parse(&text, Path::new("/elsewhere/spec.toml"), &[]);
        prop_assert!(back.is_ok(), "{}\n{}", back.unwrap_err(), text);
        prop_assert_eq!(back.unwrap(), audit);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), key in "[a-z_.]{0,12}", value in any::<String>()) {
        let sets: Vec<_> = Override::parse(&format!("{key}={value}")).into_iter().collect();
        let _ = parse(&text, Path::new("x.toml"), &sets);
        let _ = parse("format = 1", Path::new("x.toml"), &sets);
    }

    #[test]
    fn no_value_of_any_key_panics(at in any::<prop::sample::Index>(), value in any::<String>(), number in any::<f64>()) {
        let known = keys::paths(&schema::EXAMPLES, "");
        let key = at.get(&known);
        let text = "format = 1\naudit.name = 'x'\nmodel.path = 'm'";
        for value in [value, format!("{number:?}"), "[[]]".to_owned(), "{ x = 1 }".to_owned()] {
            let sets = [Override::parse(&format!("{key}={value}")).unwrap()];
            let _ = parse(text, Path::new("x.toml"), &sets);
        }
    }
}

#[test]
fn every_key_is_written() {
    let text = "format = 1\naudit.name = 'x'\nrun.threads = 1\nmodel.id = 'a/b'\n\
        model.base = '../base'\ncanaries.template = 'is {secret}'\ncanaries.secrets = '../list.txt'\n\
        probes.scan.enabled = true\ngate.baseline = '../runs/before'\n\
        [[gate.limits]]\nprobe = 'low_logit'\nstatistic = 's'\nphase = 2\nmin_auc = 0.1\n";
    let written: toml::Table = to_toml(&parse(text, Path::new("x.toml"), &[]).unwrap())
        .parse()
        .unwrap();
    // What is written excludes these, and the last is no part of a run.
    let absent = [
        "model.path",
        "model.random",
        "gate.limits.max_auc",
        "run.jobs",
    ];
    for key in keys::paths(&schema::EXAMPLES, "") {
        let excluded = absent.iter().any(|absent| key.starts_with(absent));
        assert_eq!(keys::find(&written, &key).is_some(), !excluded, "{key}");
    }
}
