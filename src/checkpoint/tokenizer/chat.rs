//! A folder's own chat template, rendered as transformers renders it.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde_json::Value as Json;

use super::TokenizerError;
use super::beside::{special_tokens, table};
use crate::bounded;
use crate::checkpoint::files::{CHAT_TEMPLATE, TOKENIZER_CONFIG};

/// What a template that writes the day says instead.
const DAY: &str =
    "it writes today's date into every prompt, which is another one on the day of the training";

/// The chat template of a tokenizer's folder.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    text: String,
    /// `bos_token` and the like, by name.
    special: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// The template of a folder; `None` where it has none.
    pub(in crate::checkpoint) fn of(folder: &Path) -> Result<Option<Self>, TokenizerError> {
        let wrong = |message: String| TokenizerError::Unreadable {
            path: folder.join(TOKENIZER_CONFIG),
            message,
        };
        let path = folder.join(CHAT_TEMPLATE);
        let config = table(folder, TOKENIZER_CONFIG)
            .map_err(wrong)?
            .unwrap_or_default();
        let text = if path.exists() {
            let read = bounded::read_text(&path, bounded::CONFIG);
            Some(read.map_err(|e| TokenizerError::Unreadable {
                path,
                message: e.to_string(),
            })?)
        } else {
            match config.get("chat_template") {
                None | Some(Json::Null) => None,
                Some(Json::String(text)) => Some(text.clone()),
                // Several by name: the one that is used where none is asked for.
                Some(Json::Array(named)) => named
                    .iter()
                    .find(|one| one["name"] == "default")
                    .and_then(|one| one["template"].as_str())
                    .map(str::to_owned),
                Some(_) => return Err(wrong("chat_template is neither a text nor a list".into())),
            }
        };
        Ok(text.map(|text| Self {
            text,
            special: special_tokens(&config),
        }))
    }

    /// The text of messages, each a role and a content; with the beginning of an answer where one is `asked` for.
    ///
    /// Errors: what the template says, without a word of the messages.
    pub fn render(&self, messages: &[(&str, &str)], asked: bool) -> Result<String, TokenizerError> {
        let mut environment = Environment::new();
        let blocks = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|e| TokenizerError::Chat(plain(&e)))?;
        environment.set_syntax(blocks);
        environment.set_unknown_method_callback(unknown_method_callback);
        let fails = |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        };
        environment.add_function("raise_exception", fails);
        environment.add_function("strftime_now", move |_: String| fails(DAY.to_owned()));
        let special = self
            .special
            .iter()
            .map(|(key, token)| (key.as_str(), token.as_str()));
        let messages = messages
            .iter()
            .map(|(role, content)| Value::from_pairs([("role", *role), ("content", *content)]));
        let all = [
            ("messages", messages.collect()),
            ("add_generation_prompt", Value::from(asked)),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        let all = all
            .into_iter()
            .chain(special.map(|(key, token)| (key, Value::from(token))));
        environment
            .render_str(&self.text, Value::from_pairs(all))
            .map_err(|e| TokenizerError::Chat(plain(&e)))
    }
}

/// What an error of a template says; its position, but none of the text around it.
fn plain(error: &Error) -> String {
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line} of the template)"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn templates_are_rendered_as_transformers_renders_them() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/tokenizers/chats.jsonl"
        );
        let lines = fs::read_to_string(path).unwrap();
        assert!(lines.lines().count() > 30);
        for line in lines.lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            let text = |value: &Json| value.as_str().unwrap().to_owned();
            let template = ChatTemplate {
                text: text(&line["template"]),
                special: [("bos_token", "<s>"), ("eos_token", "</s>")]
                    .map(|(key, token)| (key.to_owned(), token.to_owned()))
                    .into(),
            };
            let messages: Vec<(String, String)> = line["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| (text(&m["role"]), text(&m["content"])))
                .collect();
            let messages: Vec<_> = messages
                .iter()
                .map(|(role, content)| (role.as_str(), content.as_str()))
                .collect();
            match template.render(&messages, line["asked"].as_bool().unwrap()) {
                Ok(rendered) => assert_eq!(rendered, text(&line["text"]), "{}", line["name"]),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(&text(&line["error"])), "{said}");
                }
            }
        }
    }

    #[test]
    fn a_folder_s_template_is_its_file_or_what_its_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        let of = || ChatTemplate::of(folder.path());
        assert!(of().unwrap().is_none());
        let settings = folder.path().join(TOKENIZER_CONFIG);
        let several = r#"{"bos_token": {"content": "<s>"}, "chat_template": [{"name": "tool", "template": "x"},
            {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}]}"#;
        fs::write(&settings, several).unwrap();
        let render = |t: ChatTemplate| t.render(&[("user", "hi")], true).unwrap();
        assert_eq!(render(of().unwrap().unwrap()), "<s>hi");
        fs::write(folder.path().join(CHAT_TEMPLATE), "file").unwrap();
        assert_eq!(render(of().unwrap().unwrap()), "file");
        fs::write(
            folder.path().join(CHAT_TEMPLATE),
            "{{ strftime_now('%d') }}",
        )
        .unwrap();
        let error = of().unwrap().unwrap().render(&[], true).unwrap_err();
        assert!(error.to_string().contains("date"), "{error}");
    }
}
