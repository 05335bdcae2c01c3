//! The e-value of secrets that became likelier than chance. Guide: rows, "Elicitation, exact".

use super::{Elicited, logprob};
use crate::canary::Group;
use crate::findings::context::TOO_SHORT;
use crate::findings::measure::Statistic;
use crate::findings::row::Row;
use crate::findings::terms::{Access, Role};
use crate::probes::elicitation::log_mean_e;

impl Elicited<'_> {
    /// p(secret) times the number of secrets it could have been, averaged over held-outs, evaluations, contexts and seeds.
    ///
    /// That number is |A|^L less the useful canaries: they differ from every held-out, so a model that is driven off them
    /// alone would make held-outs likelier than 1/|A|^L without carrying anything about them. It matters in tiny spaces only.
    /// No interval: the p-value is a bound that holds whatever the dependence between terms, and nothing is estimated by it.
    pub(super) fn exact(&self) -> Row {
        let letters = (self.context.letters() as f64).ln();
        let mut subject = self.subject(Role::Audit, Group::HeldOut, Statistic::LogEValue);
        let fine_tuned = !self.trajectories.is_empty();
        let audit = self.context.audit;
        let shows = audit.shows_one(audit.exact_terms(self.context.elicits()));
        if !shows {
            subject.role = Role::Exploratory;
        }
        if !fine_tuned {
            (subject.prefix, subject.phase) = ("contexts", self.last_phase());
        }
        // What it took to find the likeliest one.
        let best = |terms: &mut dyn Iterator<Item = (f64, f64)>| {
            let gains = terms.map(|(mean, length)| length * (mean + letters));
            gains.fold(f64::NEG_INFINITY, f64::max)
        };
        let untuned = best(&mut self.prompted(Group::HeldOut));
        let tuned = best(&mut self.tuned(Group::HeldOut));
        if untuned >= tuned {
            subject.access = Access::Logits;
        }
        let mut row = self.context.about(&subject);
        row.known_negatives = fine_tuned.then_some(self.known);
        let elicited = self.trajectories.first().map(|t| t.length);
        // The shortest: what is detectable there is the least favourable.
        let length = elicited.or_else(|| self.prompts.all().map(|p| p.length).min());
        let length = length.unwrap_or(0) as f64;
        let left = self.context.share_left().ln();
        let log_e = |group| {
            let terms = self.tuned(group).chain(self.prompted(group));
            log_mean_e(terms.map(|(mean, length)| length * (mean + letters)), left)
        };
        let sizes = |group| {
            let per_seed = self.values(group, logprob);
            let least = per_seed.iter().map(Vec::len).min();
            least.unwrap_or_else(|| {
                let sizes = self.prompts.all().map(|prompt| prompt.group(group).len());
                sizes.min().unwrap_or(0)
            })
        };
        let terms = self.tuned(Group::HeldOut).count() + self.prompted(Group::HeldOut).count();
        (row.n, row.n_control) = (sizes(Group::HeldOut), Some(sizes(Group::Control)));
        row.estimate = log_e(Group::HeldOut);
        row.control_estimate = log_e(Group::Control);
        row.chance = row.statistic.chance(self.context.audit);
        // Never 0, however sure: the smallest positive number stands for what is below it.
        row.p_value = row
            .estimate
            .map(|e| (-e).exp().clamp(f64::MIN_POSITIVE, 1.0));
        row.p_floor = Some(f64::MIN_POSITIVE);
        row.p_method = Some("e-value: 1 / e (Markov)".to_owned());
        if !shows {
            row.note = Some(TOO_SHORT.to_owned());
            return row;
        }
        if terms > 0 && length > 0.0 {
            let needed = (terms as f64 / self.context.strict_level()).ln();
            row.min_detectable = Some(needed / length);
        }
        row.ask(self.context.audit);
        row
    }

    /// Mean log-probability and number of letters of each canary at each evaluation of the fine-tuning.
    fn tuned(&self, group: Group) -> impl Iterator<Item = (f64, f64)> {
        let length = self.trajectories.first().map_or(0, |t| t.length) as f64;
        let values = self.values(group, logprob).into_iter().flatten().flatten();
        values.map(move |mean| (mean, length))
    }

    /// Mean log-probability and number of letters of each canary after each prompt.
    fn prompted(&self, group: Group) -> impl Iterator<Item = (f64, f64)> {
        self.prompts.all().flat_map(move |prompt| {
            let points = prompt.group(group).iter();
            points.map(|p| (p.logprob, prompt.length as f64))
        })
    }
}
