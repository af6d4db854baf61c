//! What deletes, undeletes, merges and unmerges mean for the others.

use sync::{Abilities, Act, Counterpart, Deletes, Documents, Happened, Reason, follow};

const ALL: Abilities = Abilities { delete: true, undelete: true, deactivate: true, block: true };
const NOTHING: Abilities = Abilities { delete: false, undelete: false, deactivate: false, block: false };
const ERP: Abilities = Abilities { delete: false, undelete: false, deactivate: false, block: true };

fn record(abilities: Abilities, documents: Documents) -> Counterpart {
    Counterpart { side: "erp".into(), documents, abilities, retired: None, has_other: true }
}

fn act(deletes: Deletes, happened: &Happened, counterpart: Counterpart) -> (Act, Reason) {
    let mut following = follow(deletes, true, happened, &[counterpart]);
    assert_eq!(following.len(), 1);
    let following = following.remove(0);
    assert_eq!(following.side.as_str(), "erp");
    (following.act, following.reason)
}

#[test]
fn a_delete_does_what_is_declared_as_far_as_documents_and_the_system_allow() {
    use Documents::{Unknown, With, Without};
    let cases = [
        (Deletes::Delete, ALL, Without, Act::Delete, Reason::Declared),
        (Deletes::Delete, ALL, With, Act::Block, Reason::HasDocuments),
        (Deletes::Delete, ALL, Unknown, Act::Block, Reason::DocumentsUnknown),
        (Deletes::Delete, ERP, Without, Act::Block, Reason::NextBest),
        (Deletes::Delete, Abilities { block: false, ..ALL }, With, Act::Deactivate, Reason::HasDocuments),
        (Deletes::Delete, NOTHING, Without, Act::Ask, Reason::Unable),
        (Deletes::Deactivate, ALL, Without, Act::Deactivate, Reason::Declared),
        (Deletes::Deactivate, ALL, Unknown, Act::Deactivate, Reason::Declared),
        (Deletes::Deactivate, ALL, With, Act::Block, Reason::HasDocuments),
        (Deletes::Deactivate, ERP, Without, Act::Block, Reason::NextBest),
        (Deletes::Deactivate, NOTHING, With, Act::Ask, Reason::Unable),
        (Deletes::Keep, ALL, With, Act::Keep, Reason::Declared),
        (Deletes::Queue, ALL, Without, Act::Ask, Reason::Declared),
    ];
    for (deletes, abilities, documents, wanted, reason) in cases {
        let done = act(deletes, &Happened::Deleted, record(abilities, documents));
        assert_eq!(done, (wanted, reason), "{deletes:?} {abilities:?} {documents:?}");
    }
}

#[test]
fn no_declaration_deletes_a_record_with_documents_or_perhaps_with() {
    let merged = Happened::Merged { into: "B".into() };
    for deletes in [Deletes::Deactivate, Deletes::Delete, Deletes::Keep, Deletes::Queue] {
        for documents in [Documents::With, Documents::Unknown] {
            for happened in [&Happened::Deleted, &merged] {
                for abilities in [ALL, NOTHING, ERP, Abilities { delete: true, ..NOTHING }] {
                    let (act, _) = act(deletes, happened, record(abilities, documents));
                    assert_ne!(act, Act::Delete, "{deletes:?} {documents:?} {happened:?}");
                }
            }
        }
    }
}

#[test]
fn who_does_not_own_the_object_deletes_it_for_nobody_else() {
    for deletes in [Deletes::Deactivate, Deletes::Delete] {
        let following = follow(deletes, false, &Happened::Deleted, &[record(ALL, Documents::Without)]);
        assert_eq!((&following[0].act, following[0].reason), (&Act::Ask, Reason::NotOwner));
    }
    let following = follow(Deletes::Keep, false, &Happened::Deleted, &[record(ALL, Documents::Without)]);
    assert_eq!(following[0].act, Act::Keep);
}

#[test]
fn what_came_by_following_goes_by_following_and_nothing_else_does() {
    let retired = |retired: Option<Act>, abilities| Counterpart { retired, ..record(abilities, Documents::With) };
    let restored = |act: Act| (Act::Restore(Box::new(act)), Reason::Undo);
    let cases = [
        (Some(Act::Deactivate), ALL, restored(Act::Deactivate)),
        (Some(Act::Block), ERP, restored(Act::Block)),
        (Some(Act::Delete), ALL, restored(Act::Delete)),
        (Some(Act::Delete), ERP, (Act::Create, Reason::Undo)),
        (Some(Act::Relink("B".into())), ERP, restored(Act::Relink("B".into()))),
        (Some(Act::Keep), ALL, (Act::Keep, Reason::NothingToUndo)),
        // A person blocked it: that is not ours to undo.
        (None, ALL, (Act::Keep, Reason::NothingToUndo)),
    ];
    for (before, abilities, wanted) in cases {
        for happened in [Happened::Undeleted, Happened::Unmerged { from: "B".into() }] {
            let done = act(Deletes::Deactivate, &happened, retired(before.clone(), abilities));
            assert_eq!(done, wanted, "{before:?} {happened:?}");
        }
    }
}

#[test]
fn a_merge_moves_the_only_record_and_retires_a_second_one() {
    let merged = Happened::Merged { into: "B".into() };
    let only = Counterpart { has_other: false, ..record(ERP, Documents::With) };
    assert_eq!(act(Deletes::Delete, &merged, only.clone()), (Act::Relink("B".into()), Reason::OnlyRecord));
    assert_eq!(act(Deletes::Delete, &merged, record(ERP, Documents::With)), (Act::Block, Reason::HasDocuments));
    assert_eq!(act(Deletes::Delete, &merged, record(ALL, Documents::Without)), (Act::Delete, Reason::Declared));
    // Told twice is once.
    let told = Counterpart { retired: Some(Act::Relink("B".into())), ..only };
    assert_eq!(act(Deletes::Delete, &merged, told).0, Act::Keep);
}
