/*
 * Front, vault, journal, fold, crash, restart and restore, for spin. README.md says how to read it,
 * what is left out, and how to run it.
 *
 * Each transition is one atomic step, as nothing of it can be seen from outside before its end; what
 * can be seen, a commit and a message, is a transition of its own, and a process can be killed between
 * any two. "C:" names the functions that a transition stands for, file by file; the test fails if one of
 * them is no longer there. -DBREAK_x breaks one rule, and then spin must find an error.
 */

#define DEVICES 2       /* 0 keeps an exact set of DevNonces, 1 a counter */
#ifndef NONCES
#define NONCES 3        /* DevNonces are 0, 1, 2 */
#endif
#ifndef REQUESTS
#define REQUESTS 4      /* in all */
#endif
#ifndef VAULT_CRASHES
#define VAULT_CRASHES 1 /* or getting stuck */
#endif
#ifndef FRONT_CRASHES
#define FRONT_CRASHES 1
#endif
#ifndef FLIGHTS
#define FLIGHTS 2       /* messages that a front may have with the vault: 1 or 2 */
#endif
#ifndef FULL_DISKS
#define FULL_DISKS 1    /* commits that fail for want of room */
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#define MARGIN REQUESTS /* more than joins are possible since the backup */
#define RECORDS (REQUESTS + 1)

#ifdef BREAK_MARGIN
#define ADVANCE 0
#else
#define ADVANCE MARGIN
#endif

#ifndef QUESTIONS
#define QUESTIONS (NONCES + 2) /* which are asked; the counter needs but two */
#endif
#define QUESTION(d, n) (1 + (d) * NONCES + (n))
#define DEVICE(q) (((q) - 1) / NONCES)
#define NONCE(q) (((q) - 1) % NONCES)
#define HAS(set, n) ((((set) >> (n)) & 1) != 0)
/* One above the greatest DevNonce of a set; 0: it is empty. */
#define TOP(set) ((set) > 7 -> 4 : ((set) > 3 -> 3 : ((set) > 1 -> 2 : (set))))

/* ---- what is durable, and the transaction that is open ---- */

typedef store {
	/* the state table */
	byte used[DEVICES];      /* the set of DevNonces */
	byte next_join[DEVICES]; /* next JoinNonce */
	byte last[DEVICES];      /* the last session: its DevNonce + 1, 0: none */
	byte last_join[DEVICES]; /* and its JoinNonce */
	byte applied[DEVICES];   /* folded up to this journal record */
	/* the journal, by sequence number; join 0: there is no record */
	byte join[RECORDS];
	byte asked[RECORDS]; /* device and DevNonce */
	byte prev[RECORDS];  /* the record before it of the same device */
	byte top[RECORDS];   /* greatest DevNonce + 1 */
	byte folded          /* all up to this record is in the state table */
};

store disk, txn, copied;
bool has_copy;

/* ---- the memory of the vault ---- */

typedef memory {
	bool there[DEVICES];
	bool replayed[DEVICES]; /* not yet compared with the state table */
	byte last[DEVICES];     /* its last record */
	byte next_join[DEVICES];
	byte top[DEVICES];
	byte next; /* sequence of the next record */
	byte folded;
	/* a pass of folding */
	bool to_fold[DEVICES];
	bool pass;
	byte pass_last
};

memory mem, kept; /* kept: as of the last commit */

/* TRIED, PUT: only between what a broken rule has torn apart. STUCK: it does nothing any more and
 * does not end. */
mtype:vault = {DOWN, READY, TAKEN, TRIED, COMMITTED, PUT, STUCK};
mtype:vault vault = DOWN;
byte batch, question[2], answer[2]; /* what the vault has before it */
byte generation;

/* ---- the front ---- */

/* The messages that are with the vault. */
byte flight[FLIGHTS];       /* its number, 0: none */
byte waiting[FLIGHTS * 2];  /* its questions */
byte number;                /* of the last message */
byte heard_generation;
bool heard;
byte left = REQUESTS;
bool finished;

/* A batch has a number and two questions; an answer is the JoinNonce, 0: refused. */
mtype:message = {HELLO, ANSWERS};
chan to_vault = [2] of { byte, byte, byte };
/* The last two are the questions; the front does not see them. */
chan to_front = [4] of { mtype:message, byte, byte, byte, byte, byte };

/* ---- what has happened; only the properties look at it ---- */

short issued[DEVICES];   /* JoinNonces that were committed, ever */
byte accepted[DEVICES];  /* DevNonces that were committed, as far as they are not forgotten by restore */
byte accepted_then[DEVICES]; /* when the backup was made */

byte vault_crashes, front_crashes, full_disks, restores;

/* Scratch: nothing of it is kept from one transition to the next. */
hidden byte i, d, n, at, join_next, top, chain, last_asked, last_join;
hidden byte good, repeated;

inline copy(to, from)
{
	for (i : 0 .. DEVICES - 1) {
		to.used[i] = from.used[i];
		to.next_join[i] = from.next_join[i];
		to.last[i] = from.last[i];
		to.last_join[i] = from.last_join[i];
		to.applied[i] = from.applied[i]
	}
	for (i : 0 .. RECORDS - 1) {
		to.join[i] = from.join[i];
		to.asked[i] = from.asked[i];
		to.prev[i] = from.prev[i];
		to.top[i] = from.top[i]
	}
	to.folded = from.folded
}

inline wipe(to)
{
	for (i : 0 .. DEVICES - 1) {
		to.used[i] = 0;
		to.next_join[i] = 0;
		to.last[i] = 0;
		to.last_join[i] = 0;
		to.applied[i] = 0
	}
	for (i : 0 .. RECORDS - 1) {
		to.join[i] = 0;
		to.asked[i] = 0;
		to.prev[i] = 0;
		to.top[i] = 0
	}
	to.folded = 0
}

inline remember(to, from)
{
	for (i : 0 .. DEVICES - 1) {
		to.there[i] = from.there[i];
		to.replayed[i] = from.replayed[i];
		to.last[i] = from.last[i];
		to.next_join[i] = from.next_join[i];
		to.top[i] = from.top[i];
		to.to_fold[i] = from.to_fold[i]
	}
	to.next = from.next;
	to.folded = from.folded;
	to.pass = from.pass;
	to.pass_last = from.pass_last
}

inline forget(to)
{
	for (i : 0 .. DEVICES - 1) {
		to.there[i] = false;
		to.replayed[i] = false;
		to.last[i] = 0;
		to.next_join[i] = 0;
		to.top[i] = 0;
		to.to_fold[i] = false
	}
	to.next = 0;
	to.folded = 0;
	to.pass = false;
	to.pass_last = 0
}

/* What is known of device d, from memory or the table.
 * C: keystore/state.c ks_state_get; keystore/journal.c ks_pending_get, compare */
inline state_get(pending)
{
	if
	:: pending.there[d] && !(pending.replayed[d] && pending.last[d] <= txn.applied[d]) ->
		join_next = pending.next_join[d];
		top = pending.top[d];
		chain = pending.last[d];
		last_asked = NONCE(txn.asked[chain]) + 1;
		last_join = txn.join[chain]
	:: else ->
		join_next = txn.next_join[d];
		top = TOP(txn.used[d]);
		chain = 0;
		last_asked = txn.last[d];
		last_join = txn.last_join[d]
	fi
}

/* May d use DevNonce n?
 * C: keystore/state.c ks_dev_nonce_check, used_in_journal; keystore/history.c ks_history_used */
inline nonce_check()
{
	good = true;
	if
	:: n + 1 <= top && d == 1 -> good = false
	:: n + 1 <= top && d == 0 ->
		good = !HAS(txn.used[d], n);
#ifndef BREAK_CHAIN
		at = chain;
		do
		:: at > txn.applied[d] ->
			assert(txn.join[at] != 0); /* else the store is taken for damaged */
			good = good && NONCE(txn.asked[at]) != n;
			at = txn.prev[at]
		:: else -> break
		od
#endif
	:: else
	fi
}

/* C: keystore/state.c ks_join_record, record_of_join, pending_after_join;
 *    keystore/journal.c ks_journal_append */
inline join_record()
{
	at = mem.next;
	txn.join[at] = join_next;
	txn.asked[at] = QUESTION(d, n);
	txn.prev[at] = chain;
	txn.top[at] = (n + 1 > top -> n + 1 : top);
	mem.next = at + 1;
	mem.there[d] = true;
	mem.replayed[d] = false;
	mem.last[d] = at;
	mem.next_join[d] = join_next + 1;
	mem.top[d] = txn.top[at]
}

/* One question of the batch. Whether the last session is inside the repeat window, of the same peer, and
 * asked for in the same way (`alike`) can be either.
 * C: js/join.c accept_request, is_repetition, check_nonce, new_session, build_answer */
inline accept_request(number_in_batch, alike, pending)
{
	if
	:: question[number_in_batch] != 0 ->
		d = DEVICE(question[number_in_batch]);
		n = NONCE(question[number_in_batch]);
		state_get(pending);
		repeated = alike && last_asked == n + 1;
#ifdef BREAK_REPEAT
		if
		:: repeated -> good = true; repeated = false
		:: else -> nonce_check()
		fi;
#else
		nonce_check();
#endif
		if
		:: repeated -> answer[number_in_batch] = last_join
		:: !repeated && good ->
			join_record();
			answer[number_in_batch] = join_next
		:: else -> answer[number_in_batch] = 0
		fi
	:: else
	fi
}

/* The properties of a commit: what was added to the journal since. */
inline check_commit()
{
	for (i : 1 .. RECORDS - 1) {
		if
		:: txn.join[i] != 0 && disk.join[i] == 0 ->
			d = DEVICE(txn.asked[i]);
			n = NONCE(txn.asked[i]);
			/* no JoinNonce twice, also over crashes and restore */
			assert(!HAS(issued[d], txn.join[i]));
			issued[d] = issued[d] | (1 << txn.join[i]);
			/* no accepted DevNonce is accepted again; a counter only goes up */
			assert(!HAS(accepted[d], n));
			assert(d == 0 || n + 1 > TOP(accepted[d]));
			accepted[d] = accepted[d] | (1 << n)
		:: else
		fi
	}
}

/* No answer before its commit: what an answer says is durable. One to a repeated question says what
 * was said before. */
inline check_answer(number_in_batch)
{
	if
	:: answer[number_in_batch] != 0 ->
		d = DEVICE(question[number_in_batch]);
		good = disk.last[d] == NONCE(question[number_in_batch]) + 1 &&
			disk.last_join[d] == answer[number_in_batch];
		for (i : 1 .. RECORDS - 1) {
			good = good || (disk.asked[i] == question[number_in_batch] &&
					disk.join[i] == answer[number_in_batch])
		}
		assert(good)
	:: else
	fi
}

inline forget_batch()
{
	batch = 0;
	question[0] = 0;
	question[1] = 0;
	answer[0] = 0;
	answer[1] = 0
}

/* What a process had in its memory is gone; what it had not committed as well. */
inline lose_vault()
{
	wipe(txn);
	forget(mem);
	forget(kept);
	forget_batch();
	vault = DOWN
}

/* ---- keyward-vault ---- */

/* C: keystore/journal.c journal_load, get_folded, replay, replay_record, replay_join */
inline replay()
{
	mem.folded = disk.folded;
	mem.next = disk.folded + 1;
	do
	:: mem.next < RECORDS && disk.join[mem.next] != 0 ->
#ifndef BREAK_REPLAY
		d = DEVICE(disk.asked[mem.next]);
		/* else the store is taken for damaged */
		assert(disk.prev[mem.next] <= disk.folded || disk.prev[mem.next] == mem.last[d]);
		mem.there[d] = true;
		mem.replayed[d] = true;
		mem.last[d] = mem.next;
		mem.next_join[d] = disk.join[mem.next] + 1;
		mem.top[d] = disk.top[mem.next];
#endif
		mem.next++
	:: else -> break
	od;
	/* what lies behind a gap would be overwritten */
	for (i : 1 .. RECORDS - 1) {
		assert(i < mem.next || disk.join[i] == 0)
	}
}

/* The first device in the order of keys that the pass has left.
 * C: keystore/fold.c ks_fold, fold_piece, pass_begin, pass_take, fold_device, apply_pending;
 *    keystore/history.c ks_history_apply, ks_history_store; keystore/pending.c ks_pendings_remove;
 *    keystore/journal.c ks_journal_put_folded, ks_journal_prune */
inline fold()
{
	copy(txn, disk);
	remember(kept, mem);
	if
	:: !mem.pass ->
		mem.pass = true;
		mem.pass_last = mem.next - 1;
		for (i : 0 .. DEVICES - 1) {
			mem.to_fold[i] = mem.there[i]
		}
	:: else
	fi;
	d = (mem.to_fold[0] -> 0 : 1);
	if
	:: mem.last[d] > txn.applied[d] ->
		at = mem.last[d];
		txn.last[d] = NONCE(txn.asked[at]) + 1;
		txn.last_join[d] = txn.join[at];
		txn.next_join[d] = txn.join[at] + 1;
		do
		:: at > txn.applied[d] ->
			assert(txn.join[at] != 0 && DEVICE(txn.asked[at]) == d);
			txn.used[d] = txn.used[d] | (1 << NONCE(txn.asked[at]));
			at = txn.prev[at]
		:: else -> break
		od;
		txn.applied[d] = mem.next - 1
	:: else
	fi;
	mem.there[d] = false;
	mem.replayed[d] = false;
	mem.last[d] = 0;
	mem.next_join[d] = 0;
	mem.top[d] = 0;
	mem.to_fold[d] = false;
	if
	:: !mem.there[0] && !mem.there[1] -> txn.folded = mem.next - 1
#ifdef BREAK_PASS
	:: (mem.there[0] || mem.there[1]) && !mem.to_fold[0] && !mem.to_fold[1] ->
		txn.folded = mem.next - 1
#else
	:: (mem.there[0] || mem.there[1]) && !mem.to_fold[0] && !mem.to_fold[1] ->
		txn.folded = mem.pass_last
#endif
	:: else
	fi;
	if
	:: !mem.to_fold[0] && !mem.to_fold[1] ->
		mem.pass = false;
		mem.pass_last = 0
	:: else
	fi;
	for (i : 1 .. RECORDS - 1) {
		if
		:: i <= txn.folded ->
			txn.join[i] = 0;
			txn.asked[i] = 0;
			txn.prev[i] = 0;
			txn.top[i] = 0
		:: else
		fi
	}
}

/* C: js/vault_commit.c js_vault_commit; keystore/txn.c ks_txn_commit;
 *    keystore/journal.c ks_journal_committed */
inline commit()
{
	check_commit();
	copy(disk, txn);
	mem.folded = txn.folded;
	wipe(txn);
	forget(kept)
}

/* A commit that failed for want of room: nothing of it was written.
 * C: keystore/journal.c ks_journal_undone; keystore/pending.c ks_pendings_undo; js/vault_loop.c void_batch;
 *    js/backend.c js_backend_void */
inline undo()
{
#ifndef BREAK_UNDO
	remember(mem, kept);
#endif
#ifndef BREAK_VOID
	answer[0] = 0;
	answer[1] = 0;
#endif
	wipe(txn);
	forget(kept)
}

/* A front that does not read is told by its deadline.
 * C: js/vault_loop.c send_answers; ipc/channel.c ipc_send */
inline send_answers()
{
	d_step {
		check_answer(0);
		check_answer(1);
		i = 0
	}
	if
	:: nfull(to_front) ->
		to_front ! ANSWERS, batch, answer[0], answer[1], question[0], question[1]
	:: full(to_front)
	fi
}

proctype keyward_vault()
{
	bool alike, no_room;
	do
	/* C: js/vault_loop.c take_messages, take_message; ipc/channel.c ipc_receive */
	:: atomic { vault == READY && nempty(to_vault) ->
		to_vault ? batch, question[0], question[1];
		vault = TAKEN
	}

	/* All of the batch in one transaction, and its commit. A crash before the commit loses all of it, as
	 * one in TAKEN does.
	 * C: js/vault_loop.c do_joins, answer_batch; js/backend.c js_backend_answer; js/join.c js_join_process;
	 *    keystore/txn.c ks_txn_begin */
	:: atomic { vault == TAKEN ->
		if
		:: alike = true
		:: alike = false
		fi;
		if
		:: no_room = false
		:: full_disks < FULL_DISKS -> no_room = true
		fi;
		d_step {
			copy(txn, disk);
			remember(kept, mem);
			accept_request(0, alike, mem);
#ifdef BREAK_BATCH
			accept_request(1, alike, kept);
#else
			accept_request(1, alike, mem);
#endif
			alike = false
		}
#ifdef BREAK_ANSWER
		send_answers();
		vault = TRIED
	}
	:: atomic { vault == TRIED ->
#endif
		d_step {
			if
			:: no_room ->
				full_disks++;
				undo()
			:: else -> commit()
			fi;
			no_room = false;
			vault = COMMITTED
		}
	}

	:: atomic { vault == COMMITTED ->
#ifndef BREAK_ANSWER
		send_answers();
#endif
		forget_batch();
		vault = READY
	}

	/* One piece of folding and its commit.
	 * C: js/vault_loop.c do_background, fold */
	:: d_step { vault == READY && empty(to_vault) && (mem.there[0] || mem.there[1]) ->
		fold();
#ifdef BREAK_MARK
		/* the mark is put in a transaction of its own, before the states */
		disk.folded = txn.folded;
		vault = PUT
	}
	:: d_step { vault == PUT ->
#endif
		commit();
		vault = READY
	}

	:: atomic { finished && vault == READY && empty(to_vault) -> break }
	od
}

/* ---- keyward-front ---- */

/* Its requests have got an answer, a refusal, or a closed connection.
 * C: js/front_batch.c land */
inline land(f)
{
	flight[f] = 0;
	waiting[(f) * 2] = 0;
	waiting[(f) * 2 + 1] = 0
}

inline land_all()
{
	land(0);
	land(FLIGHTS - 1)
}

#define FLYING (flight[0] != 0 || flight[FLIGHTS - 1] != 0)
/* C: js/front_batch.c free_flight, flight_of */
#define FREE (flight[0] == 0 -> 0 : FLIGHTS - 1)
#define FLIGHT_OF(n) (flight[0] == (n) -> 0 : FLIGHTS - 1)

proctype keyward_front()
{
	mtype:message kind = HELLO;
	byte about, first, second, asked[2];
	bool anew;
	do
	/* What one turn of the loop collected is handed over, when all that the vault has said was heard.
	 * C: js/front_batch.c js_front_batch_room, js_front_batch_add, js_front_batch_run, send_more,
	 *    send_one */
	:: atomic { left > 0 && empty(to_front) && flight[FREE] == 0 && (nfull(to_vault) || !FLYING) ->
		select(first : 1 .. QUESTIONS);
		if
		:: left > 1 ->
			/* the order of two devices makes no difference */
			select(second : (first > NONCES -> NONCES : 0) .. QUESTIONS);
			second = (second == NONCES && first > NONCES -> 0 : second)
		:: else -> second = 0
		fi;
		left = left - (second != 0 -> 2 : 1);
		if
		:: nfull(to_vault) ->
			number++;
			to_vault ! number, first, second;
			d_step {
				i = FREE;
				flight[i] = number;
				waiting[i * 2] = first;
				waiting[i * 2 + 1] = second;
				i = 0
			}
		:: full(to_vault) /* C: js/front_batch.c refuse_questions */
		fi;
		first = 0;
		second = 0
	}

	/* An answer that is of no flight comes too late. After a new vault's hello what the old one was
	 * asked may be lost and is answered `Other`; the first hello that a front hears is taken for the
	 * vault's first.
	 * C: js/front_batch.c js_front_batch_listen, take_hello, take_answers, take_answer, tell,
	 *    fail_flight; js/front_answer.c js_front_tell */
	:: atomic { nempty(to_front) ->
		to_front ? kind, about, first, second, asked[0], asked[1];
		d_step {
			if
			:: kind == ANSWERS ->
				heard = true;
				i = FLIGHT_OF(about);
#ifdef BREAK_NUMBER
				i = 0;
				about = flight[0];
#endif
				if
				:: about != 0 && flight[i] == about ->
					/* it is the answer to what was asked */
					assert(asked[0] == waiting[i * 2] && asked[1] == waiting[i * 2 + 1]);
					land(i)
				:: else
				fi
			:: kind == HELLO && about != heard_generation ->
				anew = heard_generation != 0 || heard;
				heard_generation = about;
				if
#ifndef BREAK_HELLO
				:: anew -> land_all()
#endif
				:: else
				fi
			:: else
			fi;
			i = 0;
			kind = HELLO;
			about = 0;
			first = 0;
			second = 0;
			asked[0] = 0;
			asked[1] = 0;
			anew = false
		}
	}

#if !defined(WITHOUT_DEADLINE) && !defined(BREAK_DEADLINE)
	/* HTTP 503.
	 * C: js/front_batch.c js_front_batch_timeout_ms, expire, refuse_flight, refuse;
	 *    js/front_answer.c js_front_refuse_busy */
	:: d_step { flight[0] != 0 -> land(0) }
	:: d_step { FLIGHTS > 1 && flight[FLIGHTS - 1] != 0 -> land(FLIGHTS - 1) }
#endif

	:: atomic { !FLYING && left == 0 -> finished = true; break }
	od
}

/* ---- keywardd, the operator, and the world ---- */

/*
 * What restore makes of the copy: folded, and every JoinNonce advanced.
 * C: keystore/restore.c make_store, fold_all, next_epoch, write_epoch;
 * keystore/history.c ks_history_advance
 */
inline restore_copy()
{
	copy(disk, copied);
	at = copied.folded;
#ifndef BREAK_APPLIED
	do
	:: at + 1 < RECORDS && disk.join[at + 1] != 0 ->
		at++;
		d = DEVICE(disk.asked[at]);
		if
		:: at > disk.applied[d] ->
			disk.used[d] = disk.used[d] | (1 << NONCE(disk.asked[at]));
			disk.last[d] = NONCE(disk.asked[at]) + 1;
			disk.last_join[d] = disk.join[at];
			disk.next_join[d] = disk.join[at] + 1
		:: else
		fi;
		disk.join[at] = 0;
		disk.asked[at] = 0;
		disk.prev[at] = 0;
		disk.top[at] = 0
	:: else -> break
	od;
	disk.folded = at;
#endif
	for (i : 0 .. DEVICES - 1) {
		disk.next_join[i] = disk.next_join[i] + ADVANCE;
#ifndef BREAK_APPLIED
		disk.applied[i] = at;
#endif
		accepted[i] = accepted_then[i];
		accepted_then[i] = 0
	}
}

/* Its transitions without functions are what happens to the processes. */
proctype world()
{
	do
	/* kill -9 or power loss, between any two transitions */
	:: d_step { vault != DOWN && vault != STUCK && vault_crashes < VAULT_CRASHES && !finished ->
		vault_crashes++;
		lose_vault()
	}

#ifndef WITHOUT_DEADLINE
	/* It loops for ever, or was stopped. */
	:: d_step { vault != DOWN && vault != STUCK && vault_crashes < VAULT_CRASHES && !finished ->
		vault_crashes++;
		lose_vault();
		vault = STUCK
	}
#endif

#ifndef BREAK_WATCHDOG
	/* C: js/keywardd_group.c kill_stuck; js/keywardd_watch.c js_watch_look; js/process.c js_process_alive */
	:: d_step { vault == STUCK -> vault = DOWN }
#endif

#ifndef BREAK_RESTART
	/* A crash on the way leaves all as it is.
	 * C: js/keywardd_group.c js_group_reap, died, schedule, start_due; js/keywardd_child.c js_child_start;
	 *    js/vault.c open_store; js/vault_loop.c open_channels; keystore/store.c ks_store_open;
	 *    keystore/journal.c ks_journal_open */
	:: atomic { vault == DOWN ->
		d_step {
			replay();
			generation++
		}
		if
		:: nfull(to_front) -> to_front ! HELLO, generation, 0, 0, 0, 0
		:: full(to_front)
		fi;
		vault = READY
	}
#endif

	/* The front is killed, its clients' connections are closed, and keywardd starts another. */
	:: d_step { front_crashes < FRONT_CRASHES && !finished ->
		front_crashes++;
		heard = false;
		heard_generation = 0;
		land_all()
	}

	/* C: keystore/backup.c ks_backup_open, ks_backup_read */
	:: d_step { !has_copy && restores < RESTORES && !finished ->
		copy(copied, disk);
		for (i : 0 .. DEVICES - 1) {
			accepted_then[i] = accepted[i]
		}
		has_copy = true
	}

	/* Only while keywardd does not run: nothing that was under way survives. */
	:: atomic { has_copy && restores < RESTORES && !finished ->
		do
		:: to_vault ? _, _, _
		:: to_front ? _, _, _, _, _, _
		:: empty(to_vault) && empty(to_front) -> break
		od;
		d_step {
			restores++;
			lose_vault();
			heard = false;
			heard_generation = 0;
			land_all();
			restore_copy();
			wipe(copied);
			has_copy = false
		}
	}

	:: finished && vault != DOWN && vault != STUCK -> break
	od
}

init {
	atomic {
		for (i : 0 .. DEVICES - 1) {
			disk.next_join[i] = 1
		}
		run keyward_vault();
		run keyward_front();
		run world()
	}
}
