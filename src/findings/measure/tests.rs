//! Names of statistics, written and read.

use super::*;

#[test]
fn a_name_is_read_as_it_is_written() {
    let given = |known_letters, shown| Statistic::CompletedWholeGiven {
        known_letters,
        shown,
    };
    for (name, expected) in [
        ("suppression_nats", Statistic::Suppression),
        ("completed_whole", Statistic::CompletedWhole),
        (
            "completed_whole_given_12_letters_and_top_k",
            given(12, Shown::TopK),
        ),
        (
            "planted_among_the_512_most_suppressed",
            Statistic::PlantedAmong { top: 512 },
        ),
        (
            "planted_among_the_512_most_suppressed_of_3_letters_plain",
            Statistic::PlantedAmongOf {
                top: 512,
                depth: 3,
                ranking: Ranking::Plain,
            },
        ),
    ] {
        assert_eq!(Statistic::from(name), expected);
        assert_eq!(expected.to_string(), name);
    }
}

#[test]
fn a_name_of_another_version_stays_what_it_is() {
    for name in [
        "",
        "{}",
        "letter_rank",
        "mean_letter_rank_given_007_negatives",
        "mean_letter_rank_given_+7_negatives",
        "mean_letter_rank_given__negatives",
        "mean_letter_rank_given_99999999999999999999_negatives",
        "completed_whole_given_2_letters_and_",
        "completed_whole_given_2_letters_and_weights",
        "suppression_nats_",
    ] {
        let statistic = Statistic::from(name);
        assert_eq!(statistic, Statistic::Other(name.to_owned()));
        assert_eq!(statistic.to_string(), name);
        let json = serde_json::to_value(&statistic).unwrap();
        assert_eq!(json, name);
        assert!(statistic.counts().is_empty());
    }
}

#[test]
fn counts_have_other_words_on_demand() {
    let statistic = Statistic::from("planted_among_the_512_most_suppressed_of_3_letters_plain");
    assert_eq!(statistic.counts(), [512, 3]);
    let words = ["n", "k"].map(str::to_owned);
    let named = statistic.name_with(&words);
    assert_eq!(
        named,
        "planted_among_the_n_most_suppressed_of_k_letters_plain"
    );
}
