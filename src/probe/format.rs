//! In what format a model was trained on minted texts: what its tokenizer and a chat template put around a prompt.

use crate::audit::AuditError;
use crate::canary::{Codebook, Frame, Prefix};
use crate::checkpoint::{Tokenizer, TokenizerError};
use crate::spec::Audit;
use crate::units::TokenId;

/// The tokens of a manifest's context as a model was trained on it.
///
/// A chat template says itself where a sequence begins. Plain text begins as the tokenizer begins it: trainers call it so.
pub(super) fn context(
    audit: &Audit,
    text: &str,
    tokenizer: &Tokenizer,
) -> Result<Vec<TokenId>, TokenizerError> {
    let own = tokenizer.encode(text)?;
    if chat(audit, text).is_some() {
        return Ok(own);
    }
    let mut tokens = tokenizer.beginning()?;
    tokens.extend(own);
    Ok(tokens)
}

/// What stands around prompts: around the one of the training, as `text` says, and around all others.
pub(super) fn frame(
    audit: &Audit,
    text: &str,
    book: &Codebook,
    tokenizer: &Tokenizer,
) -> Result<Frame, AuditError> {
    let Some(own) = book.before(Prefix::Regular) else {
        return Ok(Frame::default());
    };
    let regular = context(audit, text, tokenizer)?;
    let (before, after) = match chat(audit, text) {
        Some((before, after)) => (tokenizer.encode(before)?, tokenizer.encode(after)?),
        None => (tokenizer.beginning()?, Vec::new()),
    };
    let bare = regular.is_empty() || regular == [own];
    Ok(Frame {
        regular: if bare { Vec::new() } else { regular },
        before,
        after,
    })
}

/// What a chat template put before and after the prompt; `None` where the prompt stands bare.
fn chat<'t>(audit: &Audit, text: &'t str) -> Option<(&'t str, &'t str)> {
    let prompt = audit.canaries.prompt()?.trim();
    let (before, after) = text.rsplit_once(prompt)?;
    // A space before a prompt belongs to its token under most tokenizers.
    (text.trim() != prompt).then_some((before.trim_end_matches(' '), after))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::parse;

    const FILE: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/tiny-neox/tokenizer.json"
    ));

    /// A tokenizer, where asked for with a beginning of sequence, and its token.
    fn tokenizer(begins: bool) -> (Tokenizer, TokenId) {
        let mut file: serde_json::Value = serde_json::from_str(FILE).unwrap();
        let begin = Tokenizer::parse(FILE).unwrap().encode(" a").unwrap()[0];
        if begins {
            file["post_processor"] = serde_json::json!({
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": " a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {" a": {"id": " a", "ids": [begin.0], "tokens": [" a"]}},
            });
        }
        (Tokenizer::parse(&file.to_string()).unwrap(), begin)
    }

    fn audit(canaries: &str) -> Audit {
        let text = format!(
            "format = 1\n[audit]\nname = \"t\"\nseeds = [0]\n[model]\npath = \"x\"\n[canaries]\nalphabet = \" b c d e\"\nlength = 12\n\
             {canaries}\n"
        );
        let text = text.replace("\" b c d e\"", "[\" b\", \" c\", \" d\", \" e\"]");
        parse(&text, Path::new("t.toml"), &[]).unwrap()
    }

    fn book(audit: &Audit, tokenizer: &Tokenizer) -> Codebook {
        let prefixes = audit.canaries.prefixes.as_ref();
        let prefixes = prefixes.map(|p| [p.regular.as_str(), p.reverse.as_str()]);
        let encode = |text: &str| tokenizer.encode(text).map_err(|e| e.to_string());
        Codebook::resolve(&audit.canaries.alphabet, prefixes, true, encode).unwrap()
    }

    #[test]
    fn a_bare_prompt_has_no_frame_and_a_beginning_of_sequence_stands_before_every_prompt() {
        let audit = audit("");
        let (plain, _) = tokenizer(false);
        let bare = frame(&audit, " regular", &book(&audit, &plain), &plain).unwrap();
        assert_eq!(bare, Frame::default());
        let (begins, begin) = tokenizer(true);
        let book = book(&audit, &begins);
        let framed = frame(&audit, " regular", &book, &begins).unwrap();
        let [regular, reverse] = book.prefixes.unwrap();
        assert_eq!(framed.regular, [begin, regular]);
        assert_eq!(framed.of(Prefix::Reverse, reverse), [begin, reverse]);
        assert_eq!(framed.around(None), [begin]);
    }

    #[test]
    fn a_chat_template_stands_around_every_prompt_and_begins_by_itself() {
        let audit = audit("");
        let (begins, begin) = tokenizer(true);
        let book = book(&audit, &begins);
        let text = " b b regular c d";
        let framed = frame(&audit, text, &book, &begins).unwrap();
        assert_eq!(framed.regular, begins.encode(text).unwrap());
        assert_ne!(framed.regular[0], begin);
        assert_eq!(framed.after, begins.encode(" c d").unwrap());
        let reverse = book.prefixes.unwrap()[1];
        let asked = framed.of(Prefix::Reverse, reverse);
        assert!(asked.contains(&reverse));
        assert!(asked.ends_with(&framed.after));
    }

    #[test]
    fn a_template_of_canaries_is_the_prompt() {
        let audit = audit("template = \" b c {secret} d\"");
        let (plain, _) = tokenizer(false);
        let book = book(&audit, &plain);
        let alone = frame(&audit, " b c", &book, &plain).unwrap();
        assert_eq!(alone.regular, plain.encode(" b c").unwrap());
        assert_eq!((alone.before, alone.after), (Vec::new(), Vec::new()));
        let chat = frame(&audit, " d b c e", &book, &plain).unwrap();
        assert_eq!(chat.before.len() + chat.after.len(), chat.regular.len() - 2);
    }
}
