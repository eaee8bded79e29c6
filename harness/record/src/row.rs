//! Rows of CSV files: a struct per file, its columns in the order of its fields.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The four columns every CSV begins with. They name one segment: an engine under a workload, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The run, as in the directory's name.
    pub run_id: String,
    /// The engine's name, one token.
    pub engine: String,
    /// The workload's name, one token.
    pub workload: String,
    /// Which repeat of this engine and workload, from 1 in the order they ran; 0 is a capacity probe before them.
    pub repeat: u32,
}

impl Key {
    /// The names of the key columns.
    pub const COLUMNS: [&'static str; 4] = ["run_id", "engine", "workload", "repeat"];
}

/// A row of one CSV file, without its key.
pub trait Row: Serialize + DeserializeOwned {
    /// The file's name inside the run directory.
    const FILE: &'static str;

    /// The columns after the key, in order.
    fn columns() -> Vec<&'static str>;

    /// The whole header: the key's columns and the row's own.
    fn header() -> Vec<&'static str> {
        Key::COLUMNS.into_iter().chain(Self::columns()).collect()
    }
}

/// A row read back, with the segment it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keyed<R> {
    /// The segment.
    pub key: Key,
    /// The row's own columns.
    pub row: R,
}

/// Declares a group of columns as a struct whose field order is the column order.
macro_rules! columns {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $name {
            /// The columns, in order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
        }
    };
}

/// Declares a row of a CSV file: [`columns!`] and the file it belongs to.
macro_rules! row {
    ($(#[$meta:meta])* pub struct $name:ident in $file:literal { $($body:tt)* }) => {
        $crate::row::columns! { $(#[$meta])* pub struct $name { $($body)* } }

        impl $crate::row::Row for $name {
            const FILE: &'static str = $file;

            fn columns() -> Vec<&'static str> {
                $name::COLUMNS.to_vec()
            }
        }
    };
}

pub(crate) use {columns, row};
