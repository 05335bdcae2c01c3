//! How blocks and rows become text: one file per format.

mod columns;
pub(super) mod csv;
pub(super) mod html;
pub(super) mod json;
pub(super) mod junit;
pub(super) mod markdown;
pub(super) mod table;
