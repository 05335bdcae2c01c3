//! What a source file names, read with syn: other modules, libtorch's crates, `unsafe`, test modules.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::{TORCH, floor_of};

/// What one file names: paths from the crate's root (their first part below it), libtorch's crates, `unsafe`, test modules.
#[derive(Default)]
pub(crate) struct Names {
    module: Vec<String>,
    pub(crate) modules: BTreeSet<String>,
    pub(crate) torch: BTreeSet<String>,
    pub(crate) is_unsafe: bool,
    pub(crate) test_modules: Vec<Vec<String>>,
    /// File names that `#[path = "…"]` gives such modules.
    pub(crate) test_files: Vec<String>,
}

impl Names {
    pub(crate) fn in_file(module: Vec<String>, file: &syn::File) -> Self {
        let mut names = Self {
            module,
            ..Self::default()
        };
        names.visit_file(file);
        names
    }

    /// Notes where a path leads that begins as `parts`.
    fn note(&mut self, parts: &[String]) {
        let Some(first) = parts.first() else { return };
        if TORCH.contains(&first.as_str()) {
            self.torch.insert(first.clone());
        }
        let mut rest = &parts[1..];
        let mut place = match first.as_str() {
            "crate" | "unsaid" => Vec::new(),
            "self" => self.module.clone(),
            "super" => {
                let mut place = self.module.clone();
                place.pop();
                while rest.first().is_some_and(|part| part == "super") {
                    place.pop();
                    rest = &rest[1..];
                }
                place
            }
            _ => return,
        };
        place.extend(rest.iter().cloned());
        if let Some(top) = place.into_iter().next() {
            self.modules.insert(top);
        }
    }

    fn note_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => {
                self.note_use(&with(path.ident.to_string()), &path.tree);
            }
            syn::UseTree::Name(name) => self.note(&with(name.ident.to_string())),
            syn::UseTree::Rename(name) => self.note(&with(name.ident.to_string())),
            syn::UseTree::Glob(_) => self.note(&with("*".to_owned())),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_use(before, tree);
                }
            }
        }
    }

    /// Notes paths in tokens that syn does not parse: a macro's or an attribute's arguments.
    fn note_text(&mut self, tokens: &str) {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let text = tokens.replace(" :: ", "::");
        for (at, _) in text.match_indices("::") {
            let before = text[..at]
                .rsplit(|c| !is_part(c))
                .next()
                .unwrap_or_default();
            let after = text[at + 2..]
                .split(|c| !is_part(c))
                .next()
                .unwrap_or_default();
            if TORCH.contains(&before) {
                self.torch.insert(before.to_owned());
            } else if before == "crate" && floor_of(after).is_some() {
                self.modules.insert(after.to_owned());
            }
        }
        self.is_unsafe |= without_strings(&text)
            .split(|c| !is_part(c))
            .any(|word| word == "unsafe");
    }
}

/// The tokens without what stands in quotation marks.
fn without_strings(tokens: &str) -> String {
    let mut rest = String::new();
    let (mut inside, mut escaped) = (false, false);
    for c in tokens.chars() {
        if !escaped && c == '"' {
            inside = !inside;
        } else if !inside {
            rest.push(c);
        }
        escaped = inside && !escaped && c == '\\';
    }
    rest
}

/// True of `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let tokens = list.tokens.to_string().replace(' ', "");
            tokens == "test" || tokens.starts_with("all(test,")
        }
        _ => false,
    })
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(syn::MetaNameValue {
                path,
                value:
                    syn::Expr::Lit(syn::ExprLit {
                        lit: syn::Lit::Str(value),
                        ..
                    }),
                ..
            }) if path.is_ident("path") => Some(value.value()),
            _ => None,
        })
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes_of(item)) {
            visit::visit_item(self, item);
        } else if let syn::Item::Mod(item) = item {
            let mut module = self.module.clone();
            module.push(item.ident.to_string());
            self.test_modules.push(module);
            self.test_files.extend(path_attribute(&item.attrs));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_use(&[], &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.note(&[item.ident.to_string()]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        // One part alone is a name in scope, whose `use` was seen; `tch::x` needs none.
        if parts.len() > 1 {
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_text(&call.tokens.to_string());
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.note_text(&list.tokens.to_string());
        visit::visit_meta_list(self, list);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.is_unsafe = true;
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.is_unsafe |= signature.unsafety.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.is_unsafe |= item.unsafety.is_some();
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.is_unsafe |= item.unsafety.is_some();
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.is_unsafe = true;
        visit::visit_item_foreign_mod(self, item);
    }
}
