//! Entries of tables in the one tree.

use std::collections::BTreeMap;

use ::sled::{Batch, Tree};

use super::{
    Fault,
    keys::{self, VALUE_BYTES},
};
use crate::store::tables::{Entry, EntryChange, Select, Table, page};

/// Changes of a group, the last of each entry.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>);

impl Changes {
    /// Adds the changes of a batch.
    pub(super) fn add(&mut self, changes: Vec<EntryChange>) {
        self.0.extend(changes.into_iter().map(|change| ((change.table, change.key), change.value)));
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encodes them. A value in fewer parts than the one before it takes the rest of those away.
    pub(super) fn stage(self, tree: &Tree, batch: &mut Batch) -> Result<(), Fault> {
        for ((table, key), value) in self.0 {
            let prefix = keys::entry(table, &key);
            let parts = value.as_ref().map_or(0, |value| value.len().div_ceil(VALUE_BYTES));
            for old in tree.scan_prefix(&prefix).keys().skip(parts) {
                batch.remove(old?);
            }
            if let Some(value) = value {
                keys::put_parts(batch, &prefix, &value);
            }
        }
        Ok(())
    }
}

/// The entries that are asked for.
pub(super) fn select(tree: &Tree, table: Table, select: &Select) -> Result<Vec<Entry>, Fault> {
    match select {
        Select::Page { prefix, after, limit } => page(entries(tree, table, prefix, after.as_deref()), *limit),
        Select::Keys(wanted) => {
            let found = wanted.iter().filter_map(|key| {
                let value = keys::get_parts(tree, &keys::entry(table, key)).transpose()?;
                Some(value.map(|value| (key.clone(), value)))
            });
            page(found, usize::MAX)
        }
    }
}

/// Entries in the order of their keys.
fn entries<'a>(
    tree: &'a Tree,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
) -> impl Iterator<Item = Result<Entry, Fault>> + 'a {
    let prefix = keys::entry(table, prefix);
    let key_bytes = table.key_bytes();
    // Behind all parts of that entry.
    let from = after.map_or_else(|| prefix.clone(), |after| [keys::entry(table, after), vec![0xff; 3]].concat());
    let mut parts = tree.range(from.max(prefix.clone())..).peekable();
    std::iter::from_fn(move || {
        let (first, mut value) = match parts.next()? {
            Ok((key, value)) if key.starts_with(&prefix) => (key, value.to_vec()),
            Ok(_) => return None,
            Err(error) => return Some(Err(error.into())),
        };
        let Some(key) = first.get(keys::ENTRY_KEY_AT..keys::ENTRY_KEY_AT + key_bytes) else {
            return Some(Err(Fault::Damaged("the key of an entry".into())));
        };
        let whole = &first[..keys::ENTRY_KEY_AT + key_bytes];
        while let Some(Ok((_, more))) =
            parts.next_if(|next| next.as_ref().is_ok_and(|(next, _)| next.starts_with(whole)))
        {
            value.extend_from_slice(&more);
        }
        Some(Ok((key.to_vec(), value)))
    })
}
