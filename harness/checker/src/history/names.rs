//! Words that occur on every line are kept once.

use std::sync::Arc;

/// Words seen lately.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Vec<Option<Arc<str>>>,
}

/// Places for words; a word has one of them.
const PLACES: usize = 256;
/// Longer words are rarely repeated.
const BYTES_MAX: usize = 24;

impl Names {
    /// The word, shared with its earlier occurrences where that is known.
    pub fn share(&mut self, word: &str) -> Arc<str> {
        if word.len() > BYTES_MAX {
            return word.into();
        }
        if self.known.is_empty() {
            self.known.resize(PLACES, None);
        }
        let mixed = word.bytes().fold(0usize, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let place = &mut self.known[mixed % PLACES];
        match place {
            Some(known) if &**known == word => Arc::clone(known),
            _ => Arc::clone(place.insert(word.into())),
        }
    }
}
