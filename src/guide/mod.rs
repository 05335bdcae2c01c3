//! This guide says what `unsaid` does, what its reports are worth, and how it is built. It holds no code.
//!
//! | page | what it is for |
//! |---|---|
//! | [`concepts`] | the threat in one page, and every term |
//! | [`recipe`] | the published training that an audit replays |
//! | [`evidence`] | from observations to rows, verdicts and exit codes: the contract |
//! | [`rows`] | what each row measures, and how it is tested |
//! | [`threat_model`] | who could do what with a model, and what is not covered |
//! | [`reading_a_report`] | the table, the page and the JSON keys, and what a verdict means |
//! | [`models`] | checkpoints, adapters, tokenizers, precision and hardware |
//! | [`running`] | set-up, specs, resuming, several seeds, clusters, the run directory |
//! | [`mint_and_probe`] | canaries in a training that is not ours |
//! | [`ci`] | the gate in a pipeline |
//! | [`results`] | what was found, with commands |
//! | [`validation`] | how the tool itself was checked |
//! | [`design`] | the house, and how to add to it |
//!
//! Comments and docs cite the guide as `guide: PAGE, "HEADING"`; `tests/citations.rs` checks that page and heading exist.

#![allow(
    clippy::doc_markdown,
    reason = "pages are prose, in which the names of products are no code"
)]

/// One module per page. The first definition of a link counts: here a page, in the files, for readers of the repository, a file.
macro_rules! pages {
    ($links:literal, $($page:ident)*) => {
        $(
            #[doc = $links]
            #[doc = include_str!(concat!(stringify!($page), ".md"))]
            pub mod $page {}
        )*
    };
}

pages! {
    "[concepts]: concepts
[recipe]: recipe
[evidence]: evidence
[rows]: rows
[threat_model]: threat_model
[reading_a_report]: reading_a_report
[models]: models
[running]: running
[mint_and_probe]: mint_and_probe
[ci]: ci
[results]: results
[validation]: validation
[design]: design
",
    concepts recipe evidence rows threat_model reading_a_report models running mint_and_probe ci results validation design
}
