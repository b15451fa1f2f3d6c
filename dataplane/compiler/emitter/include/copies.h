/* Copies of packets: clones, multicast, resubmitted and recirculated ones. All that is to be done for a packet that
 * has any is a queue of jobs; each has the packet's bytes and its context of its own. */

enum { JOBS = 16, STEPS = 2048 };
enum kind { UNICAST, MULTICAST, CLONE, RESUBMIT, RECIRCULATE, REPARSED_CLONE };

struct job {
	u32 kind, instance, group, list;
	struct context c;
	u8 packet[WHOLE_LIMIT + FRONT_SIZE + 64];
};
PER_CPU(jobs, sizeof(struct job), JOBS);

INLINE struct job *new_job(struct state *s, u32 kind)
{
	u32 number = s->jobs;
	struct job *job = bpf_map_lookup_elem(&jobs, &number);
	if (!job) {
		count_drop(TOO_OFTEN);
		return 0;
	}
	s->jobs = number + 1;
	job->kind = kind;
	job->list = 0;
	bpf_probe_read_kernel(&job->c, sizeof(job->c), &s->c);
	job->c.clone_list = 0;
	job->c.resubmit_list = 0;
	job->c.recirculate_list = 0;
	return job;
}

INLINE void copy_bytes(u8 *to, const u8 *from, u64 size, u64 limit)
{
	u64 last = size - 1;
	OPAQUE(last);
	if (last < limit)
		bpf_probe_read_kernel(to, last + 1, from);
}

/* A job with the bytes of the packet as it came in: from the skb at first, then from the job that is done. */
INLINE struct job *new_job_as_it_came(struct __sk_buff *skb, struct state *s, u32 kind)
{
	u32 number = s->job;
	struct job *from, *job = new_job(s, kind);
	if (!job)
		return 0;
	if (number == JOBS) {
		if (!load(skb, BASE, job->packet, s->c.length, WHOLE_LIMIT))
			return job;
		count_drop(TOO_LONG);
		s->jobs--;
		return 0;
	}
	from = bpf_map_lookup_elem(&jobs, &number);
	if (from)
		copy_bytes(job->packet, from->packet, s->c.length, WHOLE_LIMIT);
	return job;
}

/* What ingress wants: an ingress clone, and then a new pass, or copies to a group, or one port. */
GLOBAL int queue_after_ingress(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	struct job *job;
	if (!s)
		return 0;
	if (s->c.clone_list) {
		job = new_job_as_it_came(skb, s, REPARSED_CLONE);
		if (job) {
			job->group = s->c.clone_session;
			job->list = s->c.clone_list;
			job->instance = INGRESS_CLONE;
		}
	}
	if (s->c.resubmit_list) {
		job = new_job_as_it_came(skb, s, RESUBMIT);
		if (job) {
			job->list = s->c.resubmit_list;
			job->instance = RESUBMITTED;
		}
	} else if (MULTICAST_GROUP(s)) {
		job = new_job_as_it_came(skb, s, MULTICAST);
		if (job) {
			job->group = MULTICAST_GROUP(s);
			job->instance = REPLICATED;
		}
	} else if (EGRESS_SPEC(s) != DROP_PORT) {
		job = new_job_as_it_came(skb, s, UNICAST);
		if (job) {
			job->group = EGRESS_SPEC(s);
			job->instance = INSTANCE(s);
		}
	} else {
		count_drop(PROGRAM);
	}
	return 0;
}

/* The packet that leaves: `output`, then the payload of the one that came. */
INLINE void fill(struct job *job, struct state *s, const u8 *packet)
{
	u32 out = s->out, offset = s->c.offset, payload = s->c.length - offset;
	copy_bytes(job->packet, s->output, out, OUTPUT_LIMIT);
	if (out <= OUTPUT_LIMIT && offset <= FRONT_LIMIT && out + payload <= WHOLE_LIMIT)
		copy_bytes(job->packet + out, packet + offset, payload, WHOLE_LIMIT - OUTPUT_LIMIT);
	job->c.length = min32(out + payload, s->c.truncate);
}

/* The skb becomes what leaves, whatever it was. */
INLINE long replace(struct __sk_buff *skb, struct state *s, const u8 *packet)
{
	u32 out = s->out, offset = s->c.offset, payload = s->c.length - offset;
	if (offset > FRONT_LIMIT || bpf_skb_change_tail(skb, BASE + out + payload, 0))
		return -1;
	if (store(skb, BASE, s->output, out, OUTPUT_LIMIT) ||
	    store(skb, BASE + out, packet + offset, payload, WHOLE_LIMIT))
		return -1;
	if (s->c.truncate < out + payload)
		return bpf_skb_change_tail(skb, BASE + s->c.truncate, 0);
	return 0;
}

INLINE void send_copy(struct __sk_buff *skb, struct state *s, const u8 *packet)
{
	u32 port = EGRESS_PORT(s), interface;
	if (replace(skb, s, packet)) {
		count_drop(TOO_LONG);
		return;
	}
	if (testing) {
		report(skb, port);
		return;
	}
	interface = interface_of(port);
	if (!interface)
		return;
	if (skb->len < 14) {
		count_drop(TOO_SHORT);
		return;
	}
	bpf_clone_redirect(skb, interface, 0);
}

/* What egress wants: out of the port, or back to the parser; and an egress clone. */
GLOBAL int finish_egress(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	u32 number;
	struct job *from, *job;
	if (!s)
		return 0;
	number = s->job;
	from = bpf_map_lookup_elem(&jobs, &number);
	if (!from)
		return 0;
	if (EGRESS_SPEC(s) == DROP_PORT) {
		count_drop(PROGRAM);
	} else if (s->c.recirculate_list) {
		if (s->c.passes >= MAXIMUM_PASSES) {
			count_drop(TOO_OFTEN);
		} else {
			job = new_job(s, RECIRCULATE);
			if (job) {
				fill(job, s, from->packet);
				job->list = s->c.recirculate_list;
				job->instance = RECIRCULATED;
			}
		}
	} else {
		send_copy(skb, s, from->packet);
	}
	if (s->c.clone_list) {
		job = new_job(s, CLONE);
		if (job) {
			copy_bytes(job->packet, from->packet, s->c.length, WHOLE_LIMIT);
			job->group = s->c.clone_session;
			job->list = s->c.clone_list;
			job->instance = EGRESS_CLONE;
		}
	}
	return 0;
}

/* The skb becomes the packet of a job again, for what is summed up behind its headers. */
INLINE void restore(struct __sk_buff *skb, const struct job *job)
{
#if USES_PAYLOAD
	if (!bpf_skb_change_tail(skb, BASE + job->c.length, 0))
		store(skb, BASE, job->packet, job->c.length, WHOLE_LIMIT);
#endif
}

/* A packet that starts anew: with the bytes of its job, and what its field list keeps. */
INLINE void begin_again(struct state *s, struct job *job)
{
	u64 loaded = min32(job->c.length, FRONT_LIMIT);
	s->loaded = loaded;
	copy_bytes(s->front, job->packet, loaded, FRONT_LIMIT);
	begin(s, INGRESS_PORT_OF(&job->c), job->c.length, job->instance);
	keep(&s->c, &job->c, job->list);
	s->c.passes = job->c.passes;
	FORGET();
}

/* One job after the other, and of each one copy after the other; ends the loop when all is done. */
static long step(u32 number, struct walk *walk)
{
	struct __sk_buff *skb = walk->skb;
	struct state *s = walk->s;
	u32 place = s->job, replica = s->replica, port, instance, truncate = ~0u;
	struct job *job;
	struct group *group;
	if (place >= s->jobs)
		return 1;
	job = bpf_map_lookup_elem(&jobs, &place);
	if (!job)
		return 1;
	switch (job->kind) {
	case RESUBMIT:
	case RECIRCULATE:
		if (job->c.passes < MAXIMUM_PASSES) {
			begin_again(s, job);
			restore(skb, job);
			s->c.passes++;
			run_parser(skb);
			run_ingress(skb);
			queue_after_ingress(skb);
		} else {
			count_drop(TOO_OFTEN);
		}
		goto next;
	case REPARSED_CLONE:
		begin_again(s, job);
		run_parser(skb);
		bpf_probe_read_kernel(&job->c, sizeof(job->c), &s->c);
		job->kind = CLONE;
		job->list = 0;
		return 0;
	case UNICAST:
		if (replica)
			goto next;
		port = job->group;
		instance = 0;
		break;
	default:
		if (job->kind == MULTICAST) {
			group = bpf_map_lookup_elem(&multicast, &job->group);
		} else {
			struct session *session = bpf_map_lookup_elem(&clones, &job->group);
			group = session ? &session->group : 0;
			if (session && session->length)
				truncate = session->length;
		}
		if (!group || !group->count)
			count_drop(PROGRAM);
		if (!group || replica >= group->count || replica >= MAXIMUM_REPLICAS)
			goto next;
		port = group->replicas[replica].port;
		instance = group->replicas[replica].instance;
	}
	s->replica = replica + 1;
	bpf_probe_read_kernel(&s->c, sizeof(s->c), &job->c);
	s->payload_summed = 0;
	if (job->list) {
		zero(&s->c.metadata, sizeof(s->c.metadata));
		begin_metadata(s, INGRESS_PORT_OF(&job->c), job->c.length, job->instance);
		keep(&s->c, &job->c, job->list);
	}
	SET_EGRESS_PORT(s, port);
	SET_REPLICA(s, instance);
	SET_INSTANCE(s, job->instance);
	s->c.truncate = min32(s->c.truncate, truncate);
	restore(skb, job);
	FORGET();
	run_egress(skb);
	finish_egress(skb);
	return 0;
next:
	s->job = place + 1;
	s->replica = 0;
	return 0;
}

INLINE int run_jobs(struct __sk_buff *skb, struct state *s)
{
	struct walk walk = {s, skb};
	s->job = 0;
	s->replica = 0;
	FORGET();
	bpf_loop(STEPS, step, &walk, 0);
	return TC_ACT_STOLEN;
}

INLINE int copy_after_ingress(struct __sk_buff *skb, struct state *s)
{
	s->jobs = 0;
	s->job = JOBS;
	queue_after_ingress(skb);
	return run_jobs(skb, s);
}

/* Egress has run already: its packet is a job of which one copy is done. */
INLINE int copy_after_egress(struct __sk_buff *skb, struct state *s)
{
	struct job *job;
	s->jobs = 0;
	s->job = JOBS;
	job = new_job_as_it_came(skb, s, UNICAST);
	if (!job)
		return TC_ACT_SHOT;
	s->job = 0;
	s->replica = 1;
	FORGET();
	finish_egress(skb);
	{
		struct walk walk = {s, skb};
		bpf_loop(STEPS, step, &walk, 0);
	}
	return TC_ACT_STOLEN;
}
