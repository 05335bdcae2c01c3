//! Both spellings, every family, and what is refused.

use serde_json::json;

use super::*;

type Change<'a> = &'a dyn Fn(&mut serde_json::Map<String, Value>);

fn changed(mut config: Value, change: Change<'_>) -> Result<ModelConfig, ConfigError> {
    change(config.as_object_mut().unwrap());
    ModelConfig::parse(&config.to_string(), Path::new("config.json"))
}

fn neox(change: Change<'_>) -> Result<ModelConfig, ConfigError> {
    changed(
        json!({
            "model_type": "gpt_neox", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 4, "intermediate_size": 256, "max_position_embeddings": 2048,
            "rotary_pct": 0.25, "rotary_emb_base": 10000, "use_parallel_residual": true,
            "layer_norm_eps": 1e-5, "hidden_act": "gelu", "tie_word_embeddings": false,
        }),
        change,
    )
}

fn gpt2(change: Change<'_>) -> Result<ModelConfig, ConfigError> {
    changed(
        json!({
            "model_type": "gpt2", "vocab_size": 320, "n_embd": 64, "n_layer": 4, "n_head": 4,
            "n_positions": 128, "attn_pdrop": 0.1,
        }),
        change,
    )
}

fn llama(change: Change<'_>) -> Result<ModelConfig, ConfigError> {
    changed(
        json!({
            "model_type": "llama", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 160,
            "max_position_embeddings": 2048, "head_dim": 16,
        }),
        change,
    )
}

fn refused(found: Result<ModelConfig, ConfigError>, words: &[&str]) {
    let message = found.unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{word} not in {message}");
    }
}

#[test]
fn both_spellings_of_the_rotary_settings_are_read() {
    let four = neox(&|_| {}).unwrap();
    let five = neox(&|m| {
        m.remove("rotary_pct");
        m.remove("rotary_emb_base");
        m.insert(
            "rope_parameters".into(),
            json!({"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}),
        );
    })
    .unwrap();
    assert_eq!(four, five);
    assert_eq!(four.rotary().unwrap().dims, 4);
    let scaled = json!({"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512, "rope_type": "llama3"});
    let four = llama(&|m| {
        m.insert("rope_theta".into(), 500_000.into());
        m.insert("rope_scaling".into(), scaled.clone());
    })
    .unwrap();
    let five = llama(&|m| {
        let mut rope = scaled.clone();
        rope["rope_theta"] = 500_000.into();
        m.insert("rope_parameters".into(), rope);
    })
    .unwrap();
    assert_eq!(four, five);
    assert!(matches!(
        four.rotary().unwrap().scaling,
        Scaling::Llama3 { original, .. } if original.to_bits() == 512.0_f64.to_bits()
    ));
}

#[test]
fn rotary_settings_in_both_spellings_at_once_are_applied_or_refused() {
    let both = |five: Value, four: Value, theta: f64| {
        llama(&|m| {
            m.insert("rope_parameters".into(), five.clone());
            m.insert("rope_scaling".into(), four.clone());
            m.insert("rope_theta".into(), theta.into());
        })
    };
    let plain = json!({"rope_type": "default", "rope_theta": 10000.0});
    let linear = json!({"rope_type": "linear", "factor": 4.0});
    let found = both(plain.clone(), linear.clone(), 10_000.0).unwrap();
    let scaling = &found.rotary().unwrap().scaling;
    assert_eq!(*scaling, Scaling::Linear { factor: 4.0 });
    let found = both(linear.clone(), plain.clone(), 10_000.0).unwrap();
    assert_eq!(found.rotary().unwrap().scaling, Scaling::None);
    let yarn = json!({"rope_type": "yarn", "factor": 4.0});
    refused(both(plain.clone(), yarn, 10_000.0), &["yarn"]);
    refused(
        both(plain, Value::Null, 500_000.0),
        &["rope_theta", "10000", "500000"],
    );
    let shares = neox(&|m| {
        let half = json!({"rope_type": "default", "partial_rotary_factor": 0.5});
        m.insert("rope_parameters".into(), half);
    });
    refused(shares, &["partial_rotary_factor", "0.25", "0.5"]);
}

#[test]
fn a_share_of_rotating_dimensions_beyond_the_head_is_refused() {
    let beyond = neox(&|m| drop(m.insert("rotary_pct".into(), 1.5.into())));
    refused(beyond, &["rotary_pct", "1.5", "0 to 1"]);
}

#[test]
fn infinities_as_python_writes_them_are_no_values() {
    let text = r#"{"a": Infinity, "b": [-Infinity, NaN], "c": "NaN \" Infinity", "d": 1}"#;
    let read: Value = serde_json::from_str(&without_infinities(text)).unwrap();
    assert_eq!(
        read,
        json!({"a": null, "b": [null, null], "c": "NaN \" Infinity", "d": 1})
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let cases: [(&str, Value); 8] = [
        ("model_type", "mamba".into()),
        ("hidden_act", "relu".into()),
        ("hidden_dropout", 0.1.into()),
        ("tie_word_embeddings", true.into()),
        ("attention_bias", false.into()),
        ("rope_scaling", json!({"type": "linear"})),
        ("num_attention_heads", 5.into()),
        ("vocab_size", 0.into()),
    ];
    for (key, value) in cases {
        refused(neox(&|m| drop(m.insert(key.into(), value.clone()))), &[key]);
    }
    refused(
        neox(&|m| drop(m.insert("model_type".into(), "mamba".into()))),
        &["\"mamba\"", KNOWN],
    );
    let cases: [(&str, Value); 4] = [
        ("activation_function", "relu".into()),
        ("scale_attn_by_inverse_layer_idx", true.into()),
        ("n_head", 5.into()),
        ("n_positions", Value::Null),
    ];
    for (key, value) in cases {
        refused(gpt2(&|m| drop(m.insert(key.into(), value.clone()))), &[key]);
    }
    let cases: [(&str, Value); 7] = [
        ("hidden_act", "gelu".into()),
        ("rope_scaling", json!({"rope_type": "yarn", "factor": 2.0})),
        ("rope_scaling", json!({"type": "linear"})),
        ("partial_rotary_factor", 0.5.into()),
        ("num_key_value_heads", 3.into()),
        ("head_dim", 15.into()),
        ("head_dim", "16".into()),
    ];
    for (key, value) in cases {
        refused(
            llama(&|m| drop(m.insert(key.into(), value.clone()))),
            &[key],
        );
    }
    refused(
        llama(&|m| drop(m.insert("rope_scaling".into(), json!({"type": "yarn"})))),
        &["yarn", "llama3"],
    );
}

#[test]
fn gpt2_is_tied_unless_it_says_otherwise_and_its_dropout_is_passed_over() {
    let found = gpt2(&|_| {}).unwrap();
    assert!(found.is_tied);
    assert_eq!(found.intermediate_size, 256);
    assert_eq!(found.family, Family::Gpt2(Gpt2Config { gelu: Gelu::Tanh }));
    let untied = gpt2(&|m| drop(m.insert("tie_word_embeddings".into(), false.into()))).unwrap();
    assert!(!untied.is_tied);
}

#[test]
fn a_sliding_window_is_as_far_as_rows_may_go() {
    let of = |kind: &str, change: Change<'_>| {
        llama(&|m| {
            m.insert("model_type".into(), kind.into());
            change(m);
        })
        .unwrap()
        .max_positions
    };
    let set = |key: &'static str, value: Value| {
        move |m: &mut serde_json::Map<String, Value>| drop(m.insert(key.into(), value.clone()))
    };
    assert_eq!(of("mistral", &set("sliding_window", 32.into())), 32);
    assert_eq!(of("mistral", &set("sliding_window", Value::Null)), 2048);
    assert_eq!(
        of("mistral", &|m| drop(
            m.insert("max_position_embeddings".into(), 9000.into())
        )),
        4096
    );
    // Qwen's window is there to be switched on.
    assert_eq!(of("qwen2", &set("sliding_window", 32.into())), 2048);
    let on = |m: &mut serde_json::Map<String, Value>| {
        m.insert("use_sliding_window".into(), true.into());
        m.insert("sliding_window".into(), 32.into());
    };
    assert_eq!(of("qwen3", &on), 32);
}

fn gemma3(change: Change<'_>) -> Result<ModelConfig, ConfigError> {
    changed(
        json!({
            "model_type": "gemma3_text", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 6,
            "num_attention_heads": 4, "num_key_value_heads": 1, "intermediate_size": 160, "head_dim": 16,
            "max_position_embeddings": 2048, "sliding_window": 512, "query_pre_attn_scalar": 64,
            "hidden_activation": "gelu_pytorch_tanh", "rope_theta": 1e6, "rope_local_base_freq": 1e4,
        }),
        change,
    )
}

#[test]
fn gemma_3_has_local_layers_in_both_spellings() {
    let four = gemma3(&|_| {}).unwrap();
    let five = gemma3(&|m| {
        m.remove("rope_theta");
        m.remove("rope_local_base_freq");
        let plain = |base: f64| json!({"rope_type": "default", "rope_theta": base});
        let rope = json!({"full_attention": plain(1e6), "sliding_attention": plain(1e4)});
        m.insert("rope_parameters".into(), rope);
        let mut kinds = vec!["sliding_attention"; 5];
        kinds.push("full_attention");
        m.insert("layer_types".into(), json!(kinds));
    })
    .unwrap();
    assert_eq!(four, five);
    let local = four.local().unwrap();
    assert_eq!(local.layers, [true, true, true, true, true, false]);
    let bases = [local.rotary.base, four.rotary().unwrap().base];
    assert_eq!(bases.map(f64::to_bits), [1e4_f64, 1e6].map(f64::to_bits));
    // Every place sees all before it within the window alone.
    assert_eq!((four.max_positions, four.is_tied), (512, true));
    assert_eq!(four.embedding_scale(), Some(8.0));
}

#[test]
fn what_of_gemma_is_not_computed_is_refused_by_name() {
    let cases: [(&str, Value); 10] = [
        ("hidden_activation", "gelu".into()),
        ("hidden_act", "gelu".into()),
        ("final_logit_softcapping", 30.0.into()),
        ("attn_logit_softcapping", 50.0.into()),
        ("use_bidirectional_attention", true.into()),
        ("attention_bias", true.into()),
        ("layer_types", json!(["full_attention"])),
        ("head_dim", Value::Null),
        ("sliding_window", Value::Null),
        ("rope_parameters", json!({"rope_theta": 1e6})),
    ];
    for (key, value) in cases {
        refused(
            gemma3(&|m| drop(m.insert(key.into(), value.clone()))),
            &[key],
        );
    }
    for kind in ["gemma2", "gemma3", "mixtral", "qwen3_moe", "phimoe"] {
        refused(
            gemma3(&|m| drop(m.insert("model_type".into(), kind.into()))),
            &[kind, KNOWN],
        );
    }
}

#[test]
fn phi_3_is_stretched_within_its_first_context() {
    let phi3 = |change: Change<'_>| {
        llama(&|m| {
            m.insert("model_type".into(), "phi3".into());
            m.insert("original_max_position_embeddings".into(), 512.into());
            m.insert("partial_rotary_factor".into(), 0.5.into());
            let rope = json!({"type": "longrope", "short_factor": [1.0, 1.25, 1.5, 2.0]});
            m.insert("rope_scaling".into(), rope);
            change(m);
        })
    };
    let found = phi3(&|_| {}).unwrap();
    let rotary = found.rotary().unwrap();
    assert_eq!((rotary.dims, found.max_positions), (8, 512));
    let Scaling::Long {
        attention, factors, ..
    } = &rotary.scaling
    else {
        panic!("{rotary:?}")
    };
    // √(1 + ln 4 / ln 512)
    assert!((attention - (11.0_f64 / 9.0).sqrt()).abs() < 1e-12);
    assert_eq!(factors.len(), 4);
    let cases: [(&str, Value); 4] = [
        ("partial_rotary_factor", 1.5.into()),
        ("partial_rotary_factor", 0.0.into()),
        ("resid_pdrop", 0.1.into()),
        (
            "rope_scaling",
            json!({"type": "longrope", "short_factor": [1.0]}),
        ),
    ];
    for (key, value) in cases {
        refused(phi3(&|m| drop(m.insert(key.into(), value.clone()))), &[key]);
    }
    // Nobody else's heads are stretched so.
    let rope = json!({"rope_type": "longrope", "short_factor": [1.0]});
    refused(
        llama(&|m| drop(m.insert("rope_scaling".into(), rope.clone()))),
        &["longrope", "Phi-3"],
    );
}
