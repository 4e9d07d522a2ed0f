//! How often each error code was answered (INFO errorstats).

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Codes that are told apart; beyond, nothing is counted until CONFIG RESETSTAT.
const MOST_CODES: usize = 128;

/// See the module's text.
#[derive(Default)]
pub struct ErrorStats(Mutex<BTreeMap<Vec<u8>, u64>>);

impl ErrorStats {
    /// Counts an error reply of this code.
    pub fn count(&self, code: &[u8]) {
        let mut codes = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = codes.get_mut(code) {
            *count += 1;
        } else if codes.len() < MOST_CODES {
            codes.insert(code.to_vec(), 1);
        }
    }

    /// All codes with their counts.
    pub fn all(&self) -> Vec<(Vec<u8>, u64)> {
        let codes = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        codes.iter().map(|(code, &count)| (code.clone(), count)).collect()
    }

    /// Forgets everything.
    pub fn reset(&self) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }
}
