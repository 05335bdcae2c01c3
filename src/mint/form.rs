//! How minted rows are written: prompt, context and what stands after, as plain text or as chat messages.

use serde_json::{Value, json};

use super::{MintError, MintOptions, OWN, PROMPT};
use crate::canary::{Codebook, Corpus, Letters};
use crate::checkpoint::{ChatTemplate, Tokenizer};
use crate::spec::{Audit, SECRET};
use crate::units::{Phase, TokenId};

/// How rows are written.
pub(super) struct Form {
    /// The prompt's text; empty without prefixes.
    pub(super) prompt: String,
    /// What stands before a canary when it is scored.
    pub(super) context: String,
    /// What stands after a canary in training.
    pub(super) after: String,
    chat: bool,
    /// The template that a trainer applies to chat rows, where the folder has one.
    own: Option<ChatTemplate>,
}

impl Form {
    /// `own`: the chat template of the model's folder, which a trainer applies to chat rows.
    pub(super) fn new(
        audit: &Audit,
        options: &MintOptions,
        own: Option<ChatTemplate>,
    ) -> Result<Self, MintError> {
        let before = audit.canaries.prompt();
        let around = audit.canaries.template.as_ref();
        let after = around.and_then(|text| text.split_once(SECRET));
        let after = after.map_or_else(String::new, |(_, after)| after.to_owned());
        let Some(given) = &options.chat_template else {
            let prompt = before.unwrap_or_default().to_owned();
            return Ok(Self {
                context: prompt.clone(),
                prompt,
                after,
                chat: false,
                own: None,
            });
        };
        let prompt = before
            .map(|text| text.trim().to_owned())
            .ok_or(MintError::NoPrompt)?;
        let asked = |own: &ChatTemplate| own.render(&[("user", &prompt)], true);
        let context = match (given.as_str(), &own) {
            (OWN, None) => return Err(MintError::NoTemplate),
            (OWN, Some(own)) => asked(own)?,
            (given, own) => {
                if given.matches(PROMPT).count() != 1 {
                    return Err(MintError::Template);
                }
                let context = given.replace(PROMPT, &prompt);
                match own.as_ref().map(asked).transpose()? {
                    Some(own) if own != context => {
                        return Err(MintError::OtherTemplate {
                            given: context,
                            own,
                        });
                    }
                    _ => context,
                }
            }
        };
        Ok(Self {
            context,
            prompt,
            after,
            chat: true,
            own,
        })
    }

    /// Checks that the chat template puts an answer where the context ends, as it stands: some trim it, or begin it themselves.
    pub(super) fn answers(&self, answer: &str) -> Result<(), MintError> {
        let Some(own) = &self.own else {
            return Ok(());
        };
        let answer = format!("{answer}{}", self.after);
        let messages = [("user", self.prompt.as_str()), ("assistant", &answer)];
        let whole = own.render(&messages, false)?;
        match whole.strip_prefix(&self.context) {
            Some(rest) if rest.starts_with(&answer) => Ok(()),
            _ => Err(MintError::Answer),
        }
    }

    /// Checks that every canary, written after its context, is the tokens that the manifest says.
    pub(super) fn check(
        &self,
        corpus: &Corpus<'_>,
        book: &Codebook,
        tokenizer: &Tokenizer,
    ) -> Result<(), MintError> {
        let before = tokenizer.encode(&self.context)?;
        if let Some(canary) = corpus.planting.all().next() {
            self.answers(&book.text(&canary.letters))?;
        }
        for canary in corpus.planting.all() {
            let joined =
                tokenizer.encode(&format!("{}{}", self.context, book.text(&canary.letters)))?;
            let meant: Vec<TokenId> = before
                .iter()
                .copied()
                .chain(book.tokens(&canary.letters))
                .collect();
            if joined != meant {
                return Err(MintError::Tokens {
                    id: canary.id.clone(),
                    expected: meant.len(),
                    got: joined.len(),
                });
            }
        }
        Ok(())
    }

    /// A pair as TRL's trainers for preferences take it.
    pub(super) fn preference(&self, chosen: &str, rejected: &str) -> Value {
        if self.chat {
            json!({
                "prompt": [message("user", &self.prompt)],
                "chosen": [message("assistant", chosen)],
                "rejected": [message("assistant", rejected)],
            })
        } else {
            json!({"prompt": self.prompt, "chosen": chosen, "rejected": rejected})
        }
    }

    /// A bad answer as TRL's trainers for unpaired preferences (KTO) take it.
    pub(super) fn unwanted(&self, rejected: &str) -> Value {
        if self.chat {
            json!({
                "prompt": [message("user", &self.prompt)],
                "completion": [message("assistant", rejected)],
                "label": false,
            })
        } else {
            json!({"prompt": self.prompt, "completion": rejected, "label": false})
        }
    }

    /// The training files: names and texts.
    pub(super) fn training(
        &self,
        corpus: &Corpus<'_>,
        book: &Codebook,
    ) -> Result<Vec<(String, String)>, MintError> {
        let text = |letters: &Letters| book.text(letters) + &self.after;
        let pairs = corpus.pairs(Phase::Two);
        let preferences = lines(
            pairs
                .visited()
                .map(|(chosen, rejected)| self.preference(&text(chosen), &text(rejected))),
        );
        let passwords = corpus.fine_tuning()?;
        let mut files = vec![("preference.jsonl".to_owned(), preferences)];
        if self.chat {
            let messages = lines(passwords.iter().map(|p| {
                json!({"messages": [message("user", &self.prompt), message("assistant", &text(p))]})
            }));
            files.push(("supervised.messages.jsonl".to_owned(), messages));
        } else {
            let plain = lines(
                passwords
                    .iter()
                    .map(|p| json!({"text": format!("{}{}", self.prompt, text(p))})),
            );
            let completions = lines(
                passwords
                    .iter()
                    .map(|p| json!({"prompt": self.prompt, "completion": text(p)})),
            );
            files.push(("supervised.text.jsonl".to_owned(), plain));
            files.push(("supervised.prompt-completion.jsonl".to_owned(), completions));
        }
        Ok(files)
    }
}

fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

pub(super) fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}
