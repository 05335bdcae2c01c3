//! What the other probes see of a made-up model.

use super::*;
use crate::probes::completion::{Shown, complete};
use crate::probes::scan::{Models, scan};
use crate::probes::{Look, contexts, generation};
use crate::score::Scorer;

impl World {
    /// The model at the end of a phase; it knows the canaries after `before`.
    fn fake(&self, planting: &Planting, moment: Moment, before: Option<TokenId>) -> Fake<'_> {
        let book = self.book();
        let mut known = HashMap::new();
        for group in Group::ALL {
            for (index, canary) in planting.group(group).iter().enumerate() {
                let row = before.into_iter().chain(book.tokens(&canary.letters));
                known.insert(row.collect(), (group, index));
            }
        }
        Fake {
            world: self,
            moment,
            known,
        }
    }

    pub(super) fn looks(&self, planting: &Planting, seed: u64) -> Vec<Look> {
        let book = self.book();
        let audit = &self.audit;
        let held_out: Vec<&Canary> = planting.held_out.iter().collect();
        let controls = planting.control.iter().take(held_out.len());
        let targets: Vec<&Canary> = held_out.into_iter().chain(controls).collect();
        let useful: Vec<&Canary> = planting.useful.iter().collect();
        let all: Vec<&Canary> = planting.all().collect();
        let mut looks = Vec::new();
        for phase in audit.negative_phases() {
            let moment = |prefix, evaluation, context| Moment {
                seed,
                phase,
                prefix,
                evaluation,
                context,
            };
            let others = audit.probes.elicitation.map_or(0, |p| p.contexts);
            let size = audit.canaries.alphabet.len() + 2 + others;
            let chosen = contexts::choose(&book, audit.canaries.length, size, others);
            for (i, context) in chosen.iter().enumerate().filter(|_| others > 0) {
                let at = moment(Prefix::Reverse, Some(1000 + i), true);
                let mut fake = self.fake(planting, at, context.token);
                let one = std::slice::from_ref(context);
                let seen = contexts::look(&mut fake, &book, &all, one, phase, RootSeed(seed));
                looks.extend(seen.unwrap().into_iter().map(Look::Context));
            }
            let end = moment(Prefix::Regular, None, false);
            let model = || self.fake(planting, end, book.before(Prefix::Regular));
            let before = Moment {
                phase: Phase::One,
                ..end
            };
            let reference = || self.fake(planting, before, book.before(Prefix::Regular));
            if let Some(settings) = &audit.probes.low_logit {
                for shown in Shown::ALL {
                    let mut other = reference();
                    let other = matches!(shown, Shown::Reference | Shown::Base)
                        .then_some(&mut other as &mut dyn Scorer);
                    let groups = [&useful[..], &targets];
                    let mut model = model();
                    let made = complete(&mut model, other, shown, phase, &book, groups, settings);
                    looks.extend(made.unwrap().into_iter().map(Look::Completion));
                }
            }
            if let Some(settings) = &audit.probes.generation {
                for prefix in [Prefix::Regular, Prefix::Reverse] {
                    let mut rng = RootSeed(seed).labelled_stream(Purpose::Sampling, prefix.name());
                    let about = (phase, prefix);
                    let said =
                        generation::sample(&mut model(), &book, about, &all, settings, &mut rng);
                    looks.push(Look::Generation(said.unwrap()));
                }
            }
            if let Some(settings) = &audit.probes.scan
                && audit.negative_phases().first() == Some(&phase)
            {
                let mut models = Models {
                    model: &mut model(),
                    reference: &mut reference(),
                };
                let found = scan(&mut models, phase, &book, &all, settings);
                looks.push(Look::Scan(found.unwrap()));
            }
        }
        looks
    }
}
