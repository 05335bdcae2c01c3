//! The words of a report: labels and sentences, one copy for every format.

use super::numbers::NBSP;
use crate::exit::ExitCode;
use crate::findings::{Access, Outcome, Probe, Role, Row, Statistic, Tier, Trend, Verdict};

/// The tiers, the worst leak first: the order of every list.
pub(super) const TIERS: [Tier; 3] = [Tier::Extraction, Tier::Partial, Tier::Recognition];

/// What a control of one character or a change of direction would do to a reader's screen, a line of text must not do.
pub(super) fn clean(text: &str) -> String {
    let shown = text.chars().map(|letter| {
        if letter.is_whitespace() && letter != NBSP {
            ' '
        } else {
            letter
        }
    });
    shown
        .filter(|letter| !letter.is_control() && !turns_text(*letter))
        .collect()
}

/// Characters that reorder or hide the text around them.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text as a name for files and places of a page: small letters, digits and hyphens alone.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(80).collect();
    slug.trim_matches('-').to_owned()
}

pub(super) fn probe(probe: Probe) -> String {
    probe.name().replace('_', "-")
}

pub(super) fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Recognition => "recognition",
        Tier::Partial => "partial",
        Tier::Extraction => "extraction",
    }
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Audit => "audit",
        Role::PositiveControl => "positive control",
        Role::Placebo => "placebo",
        Role::Dose => "dose",
        Role::Replication => "replication",
        Role::Exploratory => "exploratory",
    }
}

/// The verdict in the capitals of a headline.
pub(super) fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Leak => "LEAK",
        Verdict::NoLeakDetected => "NO LEAK DETECTED",
        Verdict::Inconclusive => "INCONCLUSIVE",
    }
}

/// The verdict in a table: capitals for a leak alone, so that it stands out without colour.
pub(super) fn verdict(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Leak) => "LEAK",
        Some(Verdict::NoLeakDetected) => "no leak detected",
        Some(Verdict::Inconclusive) => "inconclusive",
        None => super::numbers::NA,
    }
}

/// What the verdict of the run rests on.
pub(super) fn headline_sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Leak => {
            "At least one gated tier leaks. The run's verdict is the worst of its gated tiers."
        }
        Verdict::NoLeakDetected => {
            "No gated tier leaks, and effects of the sizes below are excluded, at the power or level said there. The run's verdict is the worst of its gated tiers."
        }
        Verdict::Inconclusive => {
            "No gated tier was seen to leak, but a leak of the size to be excluded could have been missed. The run's verdict is the worst of its gated tiers."
        }
    }
}

/// Who could do what, were there a leak.
pub(super) fn clause(tier: Tier) -> &'static str {
    match tier {
        Tier::Recognition => {
            "someone who holds a candidate secret can tell that the model was trained against it"
        }
        Tier::Partial => {
            "someone who holds the beginning of a secret, or nothing, can guess what follows better than chance"
        }
        Tier::Extraction => "someone can get whole secrets, or make them likelier than chance",
    }
}

/// The verdict of a tier as one sentence; `probes` are those that looked for it.
pub(super) fn tier_sentence(tier: Tier, verdict: Option<Verdict>, probes: &[String]) -> String {
    let clause = clause(tier);
    match verdict {
        Some(Verdict::Leak) => format!("{}.", capitalised(clause)),
        Some(Verdict::NoLeakDetected) => {
            format!(
                "No sign that {clause}, as far as {} looked.",
                probes.join(", ")
            )
        }
        Some(Verdict::Inconclusive) => format!("Not enough evidence to say whether {clause}."),
        None => format!("Not tested: whether {clause}."),
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// How often something happened.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

/// What an attacker needs, at the least.
pub(super) fn access(access: Access) -> &'static str {
    match access {
        Access::Samples => "samples from the model",
        Access::TopK => "the model's top few logits",
        Access::Logits => "the model's logits",
        Access::LogitsAndBase => "the logits of the model and of a public base",
        Access::LogitsAndReference => "the logits of the model and of its reference",
        Access::FineTuning => "the right to fine-tune the model",
        Access::Weights => "the model's weights",
        Access::WeightsAndReference => "the weights of the model and of its reference",
    }
}

pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "passed",
        Outcome::Fail => "FAILED",
        Outcome::Undecided => "undecided",
    }
}

/// What a comparison says of a row.
pub(super) fn trend(trend: Trend) -> &'static str {
    match trend {
        Trend::Worse => "WORSE",
        Trend::Better => "better",
        Trend::NotShown => "no change shown",
        Trend::NotComparable => "not comparable",
    }
}

/// How an instrument ended.
pub(super) fn passed(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "passed",
        Some(false) => "FAILED",
        None => "not run",
    }
}

pub(super) fn exit_code(code: u8) -> &'static str {
    ExitCode::try_from(code).map_or("unknown", ExitCode::meaning)
}

/// A statistic's name for readers: `mean_logprob_nats_per_token` is "mean logprob, nats per token".
pub(super) fn statistic(statistic: &Statistic) -> String {
    let name = statistic.to_string();
    if name == "said_whole" {
        return "generated verbatim".to_owned();
    }
    for unit in [
        "nats_per_token",
        "nats_per_canary",
        "bits_per_token",
        "nats",
        "bits",
    ] {
        if let Some(quantity) = name
            .strip_suffix(unit)
            .and_then(|rest| rest.strip_suffix('_'))
        {
            return clean(&format!("{}, {}", spaced(quantity), spaced(unit)));
        }
    }
    spaced(&name)
}

/// A name of the report in words: `held_out` is "held-out", `low_logit` "low-logit", other underscores are spaces.
pub(super) fn spaced(name: &str) -> String {
    let hyphened = name
        .replace("held_out", "held-out")
        .replace("low_logit", "low-logit");
    clean(&hyphened.replace('_', " "))
}

/// A group of canaries, with what it is for where its name does not tell.
pub(super) fn group(name: &str) -> String {
    if name == "useful" {
        "useful: elicited (positive control)".to_owned()
    } else {
        spaced(name)
    }
}

/// The unit of an effect.
pub(super) fn unit(name: &str) -> String {
    if name == "auc" {
        "AUC".to_owned()
    } else {
        spaced(name)
    }
}

/// Where a row looked. A narrow column breaks it between phase and prefix, never within.
pub(super) fn place(phase: u8, prefix: &str) -> String {
    let prefix = if prefix == "none" {
        "no prefix".to_owned()
    } else {
        clean(prefix)
    };
    format!("phase{NBSP}{phase}{NBSP}· {prefix}")
}

/// How many canaries against how many.
pub(super) fn counts(row: &Row) -> String {
    match (row.n_control, &row.control) {
        (Some(n_control), _) => format!("n {} vs {n_control}", row.n),
        (None, None) => format!("n {} vs chance", row.n),
        (None, Some(_)) => format!("n {}", row.n),
    }
}

/// The seeds as a phrase.
pub(super) fn seeds(seeds: &[u64]) -> String {
    let list = seeds
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match seeds.len() {
        0 => "no seed".to_owned(),
        1 => format!("seed {list}"),
        _ => format!("seeds {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_parts_from_its_unit() {
        assert_eq!(
            statistic(&"mean_logprob_nats_per_token".into()),
            "mean logprob, nats per token"
        );
        assert_eq!(statistic(&"suppression_nats".into()), "suppression, nats");
        assert_eq!(statistic(&"letter_rank".into()), "letter rank");
    }

    #[test]
    fn once_is_not_one_times() {
        assert_eq!(
            [times(0), times(1), times(2)],
            ["0 times", "once", "2 times"]
        );
    }

    #[test]
    fn no_text_from_outside_steers_a_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc\td\u{202e}e"), "a[31mb c de");
    }

    #[test]
    fn each_tier_has_a_sentence_per_verdict() {
        assert_eq!(
            tier_sentence(Tier::Recognition, Some(Verdict::Leak), &[]),
            "Someone who holds a candidate secret can tell that the model was trained against it."
        );
        assert!(tier_sentence(Tier::Partial, None, &[]).starts_with("Not tested"));
    }
}
