//! The six storage nodes as members of a topology.

use node::{Member, Role, Zone};

use super::{StorageConfig, StorageNode};
use crate::MemberIndex;

/// Six storage nodes, two in each zone, named `storage-a1` to `storage-c2`. Fails when the configuration is impossible.
pub fn storage_members(config: &StorageConfig) -> Result<Vec<Member>, String> {
    config.check()?;
    Ok(MemberIndex::all().map(|member| storage_member(config.clone(), member)).collect())
}

fn storage_member(config: StorageConfig, member: MemberIndex) -> Member {
    let index = usize::from(member.0);
    let zone = Zone::ALL[index / 2];
    let letter = ["a", "b", "c"][index / 2];
    Member {
        id: config.members[index],
        name: format!("storage-{letter}{}", index % 2 + 1),
        role: Role::Storage,
        zone,
        has_disk: true,
        build: Box::new(move |start| Box::new(StorageNode::new(config.clone(), member, start))),
    }
}
