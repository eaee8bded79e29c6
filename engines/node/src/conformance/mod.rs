//! One suite for every disk: what [`disk`](crate::disk) promises, checked case by case.
//!
//! A runtime implements [`DiskUnderTest`] for its disk and calls [`disk_conformance!`](crate::disk_conformance), which
//! makes one test of each case. The simulated disk, the ring and the thread pool all run it, so an engine that is
//! correct on one of them meets no surprise on another.
//!
//! ```text
//! // In the runtime's tests; `fresh` gives a disk over an empty directory.
//! node::disk_conformance!(|case: &str| RingDisk::in_new_directory(case));
//! ```
//!
//! # Invariants
//!
//! - A case begins with an empty directory and asks only what the contract promises: never an order of completions,
//!   never a time.
//! - Every case checks that each token is answered once: an answer to an unknown or already answered token fails it.
//!
//! # Caveats
//!
//! - Power loss is checked only on disks that can lose power ([`DiskUnderTest::lose_power`]), in practice the simulated
//!   one. That durable bytes reach a real medium is beyond a test in one process.

mod bench;
pub mod data;
pub mod directory;
pub mod in_flight;
pub mod persistence;
#[cfg(test)]
mod tests;

use crate::{DiskOp, DiskResult, Token};

/// A disk as the suite drives it: one directory, operations under tokens.
pub trait DiskUnderTest: Sized {
    /// Submits `op`. Its completion may be had from [`DiskUnderTest::wait`] at once or later. Thousands of operations
    /// may be under way together.
    fn submit(&mut self, token: Token, op: DiskOp);

    /// Waits for one completion, in any order. Called only while an operation is under way.
    fn wait(&mut self) -> (Token, DiskResult);

    /// Ends the process and starts it again on the same directory: file numbers are forgotten, whatever completed is
    /// kept. Called only while nothing is under way.
    fn reopen(self) -> Self;

    /// Cuts the power and starts again, keeping nothing that is not durable. A disk that cannot do that gives itself
    /// back as the error, which skips the case.
    fn lose_power(self) -> Result<Self, Self> {
        Err(self)
    }
}

/// Hands the list of all cases by module to the macro `$then`, after the tokens `$head`.
#[doc(hidden)]
#[macro_export]
macro_rules! disk_conformance_cases {
    ([$($then:tt)*] ($($head:tt)*)) => {
        $($then)*! {
            ($($head)*)
            directory: [
                an_empty_directory_lists_nothing,
                a_created_file_is_open_zeroed_and_listed,
                a_created_file_replaces_one_of_the_same_name,
                an_empty_file_can_be_created_and_extended,
                opening_a_file_tells_its_length,
                opening_an_unknown_name_finds_nothing,
                names_are_listed_in_order_with_lengths,
                a_removed_name_is_gone,
                removing_an_unknown_name_is_no_error,
                the_number_of_a_removed_file_can_be_used_again,
                a_number_without_a_file_is_refused,
            ]
            data: [
                a_write_is_read_back,
                a_write_touches_no_other_sector,
                the_later_of_two_writes_is_seen,
                a_read_may_cover_several_writes,
                reading_beyond_the_end_is_out_of_range,
                writing_beyond_the_end_is_out_of_range_and_grows_nothing,
                extending_adds_zeroes_and_keeps_contents,
                extending_to_less_changes_nothing,
                blocks_of_many_megabytes_are_whole,
                files_do_not_share_bytes,
            ]
            in_flight: [
                many_operations_complete_once_each,
                operations_on_many_files_at_once,
                names_change_while_data_is_in_flight,
                tokens_come_back_as_they_were_given,
                a_read_beside_a_write_sees_old_and_new_bytes_only,
                failures_among_operations_in_flight_stay_alone,
                random_operations_match_a_model,
            ]
            persistence: [
                contents_and_names_survive_reopening,
                removals_and_replacements_survive_reopening,
                reopening_forgets_file_numbers,
                durable_writes_survive_power_loss,
                synced_writes_survive_power_loss,
                names_survive_power_loss_after_a_directory_sync,
                extended_lengths_survive_power_loss,
            ]
        }
    };
}

/// Makes one `#[test]` of every case. The argument is an expression callable as `fn(&str) -> impl DiskUnderTest`: it
/// gets the case's name and gives a disk over an empty directory.
#[macro_export]
macro_rules! disk_conformance {
    ($fresh:expr) => {
        $crate::disk_conformance_cases!([$crate::disk_conformance_tests]($fresh));
    };
}

/// Expands the list of cases to tests.
#[doc(hidden)]
#[macro_export]
macro_rules! disk_conformance_tests {
    (($fresh:expr) $($module:ident: [$($case:ident,)*])*) => {
        $($crate::disk_conformance_tests!(@module $fresh, $module, $($case)*);)*
    };
    (@module $fresh:expr, $module:ident, $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::$module::$case(($fresh)(stringify!($case)));
            }
        )*
    };
}

macro_rules! run_cases {
    (($fresh:ident) $($module:ident: [$($case:ident,)*])*) => {{
        let mut count = 0;
        $($(
            $module::$case($fresh(stringify!($case)));
            count += 1;
        )*)*
        count
    }};
}

/// Runs every case in one go, for callers that cannot use the macro, such as one probing which of two disks works.
/// Returns how many cases passed; panics at the first that fails.
pub fn run_all<D: DiskUnderTest>(mut fresh: impl FnMut(&str) -> D) -> usize {
    disk_conformance_cases!([run_cases](fresh))
}
