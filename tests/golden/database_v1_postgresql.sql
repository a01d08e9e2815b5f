SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA dbos;
CREATE FUNCTION dbos.enqueue_workflow(workflow_name text, queue_name text, positional_args json[] DEFAULT ARRAY[]::json[], named_args json DEFAULT '{}'::json, class_name text DEFAULT NULL::text, config_name text DEFAULT NULL::text, workflow_id text DEFAULT NULL::text, app_version text DEFAULT NULL::text, timeout_ms bigint DEFAULT NULL::bigint, deadline_epoch_ms bigint DEFAULT NULL::bigint, deduplication_id text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, queue_partition_key text DEFAULT NULL::text, authenticated_user text DEFAULT NULL::text, authenticated_roles text DEFAULT NULL::text, delay_until_epoch_ms bigint DEFAULT NULL::bigint, application_name text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_workflow_id TEXT;
    v_serialized_inputs TEXT;
    v_owner_xid TEXT;
    v_now BIGINT;
    v_recovery_attempts INT4 := 0;
    v_priority INT4;
    v_status TEXT;
BEGIN
    -- Validate required parameters
    IF workflow_name IS NULL OR workflow_name = '' THEN
        RAISE EXCEPTION 'Workflow name cannot be null or empty';
    END IF;
    IF queue_name IS NULL OR queue_name = '' THEN
        RAISE EXCEPTION 'Queue name cannot be null or empty';
    END IF;
    IF named_args IS NOT NULL AND jsonb_typeof(named_args::jsonb) != 'object' THEN
        RAISE EXCEPTION 'Named args must be a JSON object';
    END IF;
    IF workflow_id IS NOT NULL AND workflow_id = '' THEN
        RAISE EXCEPTION 'Workflow ID cannot be an empty string if provided.';
    END IF;
    IF delay_until_epoch_ms IS NOT NULL AND delay_until_epoch_ms < 0 THEN
        RAISE EXCEPTION 'delay_until_epoch_ms must be >= 0';
    END IF;
    v_workflow_id := COALESCE(workflow_id, gen_random_uuid()::TEXT);
    v_owner_xid := gen_random_uuid()::TEXT;
    v_priority := COALESCE(priority, 0);
    v_serialized_inputs := json_build_object(
        'positionalArgs', positional_args,
        'namedArgs', named_args
    )::TEXT;
    v_now := EXTRACT(epoch FROM now()) * 1000;
    v_status := CASE WHEN delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END;
    INSERT INTO "dbos".workflow_status (
        workflow_uuid, status,
        name, class_name, config_name,
        queue_name, deduplication_id, priority, queue_partition_key,
        application_version,
        created_at, updated_at, recovery_attempts,
        workflow_timeout_ms, workflow_deadline_epoch_ms,
        parent_workflow_id, owner_xid, serialization,
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    ) VALUES (
        v_workflow_id, v_status,
        workflow_name, class_name, config_name,
        queue_name, deduplication_id, v_priority, queue_partition_key,
        app_version,
        v_now, v_now, v_recovery_attempts,
        timeout_ms, deadline_epoch_ms,
        NULL, v_owner_xid, 'portable_json',
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    )
    ON CONFLICT (workflow_uuid)
    DO UPDATE SET
        updated_at = EXCLUDED.updated_at;
    INSERT INTO "dbos".workflow_input (
        workflow_uuid, inputs, retention_timestamp
    ) VALUES (
        v_workflow_id, v_serialized_inputs, v_now
    )
    ON CONFLICT (workflow_uuid) DO NOTHING;
    RETURN v_workflow_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'DBOS queue duplicated'
            USING DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists', v_workflow_id, queue_name, deduplication_id),
                ERRCODE = 'unique_violation';
END;
$$;
CREATE FUNCTION dbos.notifications_function() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    payload text := NEW.destination_uuid || '::' || NEW.topic;
BEGIN
    PERFORM pg_notify('dbos_notifications_channel', payload);
    RETURN NEW;
END;
$$;
CREATE FUNCTION dbos.send_message(destination_id text, message json, topic text DEFAULT NULL::text, message_id text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_topic TEXT := COALESCE(topic, '__null__topic__');
    v_message_id TEXT := COALESCE(message_id, gen_random_uuid()::TEXT);
BEGIN
    INSERT INTO "dbos".notifications (
        destination_uuid, topic, message, message_uuid, serialization
    ) VALUES (
        destination_id, v_topic, message, v_message_id, 'portable_json'
    )
    ON CONFLICT (message_uuid) DO NOTHING;
EXCEPTION
    WHEN foreign_key_violation THEN
        RAISE EXCEPTION 'DBOS non-existent workflow'
            USING DETAIL = format('Destination workflow %s does not exist', destination_id),
                ERRCODE = 'foreign_key_violation';
END;
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE dbos.application_versions (
    version_id text NOT NULL,
    version_name text NOT NULL,
    version_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text
);
CREATE TABLE dbos.dbos_migrations (
    version bigint NOT NULL
);
CREATE TABLE dbos.event_dispatch_kv (
    service_name text NOT NULL,
    workflow_fn_name text NOT NULL,
    key text NOT NULL,
    value text,
    update_seq numeric(38,0),
    update_time numeric(38,15)
);
CREATE TABLE dbos.notifications (
    message_uuid text DEFAULT gen_random_uuid() NOT NULL,
    destination_uuid text NOT NULL,
    topic text,
    message text NOT NULL,
    created_at_epoch_ms bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    serialization text,
    consumed boolean DEFAULT false NOT NULL,
    consumed_by_function_id integer
);
CREATE TABLE dbos.operation_outputs (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    function_name text DEFAULT ''::text NOT NULL,
    output text,
    error text,
    child_workflow_id text,
    started_at_epoch_ms bigint,
    completed_at_epoch_ms bigint,
    serialization text,
    application_name text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.queues (
    queue_id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    concurrency integer,
    worker_concurrency integer,
    rate_limit_max integer,
    rate_limit_period_sec double precision,
    priority_enabled boolean DEFAULT false NOT NULL,
    partition_queue boolean DEFAULT false NOT NULL,
    polling_interval_sec double precision DEFAULT 1.0 NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text,
    partition_concurrency integer,
    partition_worker_concurrency integer,
    partition_rate_limit_max integer,
    partition_rate_limit_period_sec double precision
);
CREATE TABLE dbos.streams (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    "offset" integer NOT NULL,
    function_id integer DEFAULT 0 NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_events (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_events_history (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_input (
    workflow_uuid text NOT NULL,
    inputs text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.workflow_output (
    workflow_uuid text NOT NULL,
    output text,
    error text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.workflow_schedules (
    schedule_id text NOT NULL,
    schedule_name text NOT NULL,
    workflow_name text NOT NULL,
    workflow_class_name text,
    schedule text NOT NULL,
    status text DEFAULT 'ACTIVE'::text NOT NULL,
    context text NOT NULL,
    last_fired_at text,
    automatic_backfill boolean DEFAULT false NOT NULL,
    cron_timezone text,
    queue_name text,
    application_name text
);
CREATE TABLE dbos.workflow_status (
    workflow_uuid text NOT NULL,
    status text,
    name text,
    authenticated_user text,
    assumed_role text,
    authenticated_roles text,
    request text,
    output text,
    error text,
    executor_id text,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_version text,
    application_id text,
    class_name character varying(255) DEFAULT NULL::character varying,
    config_name character varying(255) DEFAULT NULL::character varying,
    recovery_attempts bigint DEFAULT 0,
    queue_name text,
    workflow_timeout_ms bigint,
    workflow_deadline_epoch_ms bigint,
    inputs text,
    started_at_epoch_ms bigint,
    deduplication_id text,
    priority integer DEFAULT 0 NOT NULL,
    queue_partition_key text,
    forked_from text,
    owner_xid text,
    parent_workflow_id text,
    serialization text,
    delay_until_epoch_ms bigint,
    was_forked_from boolean DEFAULT false NOT NULL,
    rate_limited boolean DEFAULT false NOT NULL,
    completed_at bigint,
    attributes jsonb,
    schedule_name text,
    debounce_deadline_epoch_ms bigint,
    is_debounced boolean DEFAULT false NOT NULL,
    application_name text,
    creator_xid text
);
CREATE TABLE public.equipoise_datasets (
    id character varying(64) NOT NULL,
    n_rows bigint NOT NULL,
    x text NOT NULL,
    y text NOT NULL,
    bytes_stored bigint NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.equipoise_idempotency_keys (
    key character varying(255) NOT NULL,
    body_hash character varying(64) NOT NULL,
    job_id character varying(64) NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.equipoise_job_tags (
    job_id character varying(64) NOT NULL,
    tag character varying(64) NOT NULL
);
CREATE TABLE public.equipoise_jobs (
    id character varying(64) NOT NULL,
    content_id character varying(64) NOT NULL,
    attempt integer NOT NULL,
    task character varying(32) NOT NULL,
    spec text NOT NULL,
    spec_hash character varying(64) NOT NULL,
    status character varying(16) NOT NULL,
    queue character varying(32) NOT NULL,
    priority integer NOT NULL,
    timeout_seconds double precision NOT NULL,
    progress double precision NOT NULL,
    live text NOT NULL,
    worker character varying(160),
    seconds double precision,
    result character varying(64),
    error_code character varying(64),
    error_message text,
    submitted_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    updated_at double precision NOT NULL,
    revision integer NOT NULL
);
CREATE TABLE public.equipoise_schema_version (
    version integer NOT NULL
);
CREATE SEQUENCE public.equipoise_schema_version_version_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.equipoise_schema_version_version_seq OWNED BY public.equipoise_schema_version.version;
CREATE TABLE public.equipoise_workers (
    id character varying(160) NOT NULL,
    host text NOT NULL,
    process_space text NOT NULL,
    process text NOT NULL,
    device character varying(32) NOT NULL,
    threads integer NOT NULL,
    queues text NOT NULL,
    version character varying(32) NOT NULL,
    started_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    stopped_at double precision
);
ALTER TABLE ONLY public.equipoise_schema_version ALTER COLUMN version SET DEFAULT nextval('public.equipoise_schema_version_version_seq'::regclass);
INSERT INTO dbos.application_versions VALUES ('cb3f718b-9c6c-49f6-9127-8a626f5a7d89', '1', 1795303778359, 1795303778359, 'equipoise');
INSERT INTO dbos.dbos_migrations VALUES (125);
INSERT INTO dbos.operation_outputs VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303778910, 1795303779014, 'portable_json', 'equipoise', 1795303779022);
INSERT INTO dbos.operation_outputs VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 2, 'advance', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":9.833456824999303,"goes_on":true,"result":"dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae","is_done":true}', NULL, NULL, 1795303779082, 1795303788998, 'portable_json', 'equipoise', 1795303789009);
INSERT INTO dbos.operation_outputs VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 3, 'publish', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":9.833456824999303,"goes_on":true,"result":"dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae","is_done":true}', NULL, NULL, 1795303789030, 1795303789053, 'portable_json', 'equipoise', 1795303789054);
INSERT INTO dbos.operation_outputs VALUES ('job_8ba41817e217419d654977f63e919922', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303789752, 1795303789758, 'portable_json', 'equipoise', 1795303789759);
INSERT INTO dbos.operation_outputs VALUES ('job_8ba41817e217419d654977f63e919922', 2, 'advance', '{"checkpoint":"checkpoints/job_8ba41817e217419d654977f63e919922/ac580b8f357d412b9234025b9648b04f","superseded":null,"budget":200000,"seconds":1.985358019999694,"spent":1.985358019999694,"is_done":true,"goes_on":true}', NULL, NULL, 1795303789760, 1795303792431, 'portable_json', 'equipoise', 1795303792432);
INSERT INTO dbos.operation_outputs VALUES ('job_8ba41817e217419d654977f63e919922', 3, 'publish', '{"checkpoint":"checkpoints/job_8ba41817e217419d654977f63e919922/ac580b8f357d412b9234025b9648b04f","superseded":null,"budget":200000,"seconds":1.985358019999694,"spent":2.0577019580014166,"is_done":true,"goes_on":true,"result":"62e7ee59998806c22248795a736a52fb33608fa52416c65d203965d94b8adb50"}', NULL, NULL, 1795303792442, 1795303792561, 'portable_json', 'equipoise', 1795303792563);
INSERT INTO dbos.operation_outputs VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303792707, 1795303792712, 'portable_json', 'equipoise', 1795303792713);
INSERT INTO dbos.operation_outputs VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 2, 'advance', '{"checkpoint":"checkpoints/job_bb4d30a5898b1cbeceab49ace8f75dbd/c7b11620cccb4e69b647575b48657bdc","superseded":null,"budget":200000,"seconds":0.10924641699966742,"spent":0.10924641699966742,"is_done":true,"goes_on":true}', NULL, NULL, 1795303792715, 1795303792867, 'portable_json', 'equipoise', 1795303792868);
INSERT INTO dbos.operation_outputs VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 3, 'publish', '{"checkpoint":"checkpoints/job_bb4d30a5898b1cbeceab49ace8f75dbd/c7b11620cccb4e69b647575b48657bdc","superseded":null,"budget":200000,"seconds":0.10924641699966742,"spent":0.11176330399757717,"is_done":true,"goes_on":true,"result":"ee0179000abca3bb7f1087833431d9c6d1e2649d1048a6e2644db6489fc543c2"}', NULL, NULL, 1795303792871, 1795303792899, 'portable_json', 'equipoise', 1795303792901);
INSERT INTO dbos.operation_outputs VALUES ('job_cf40222d800955327e9cf51e10b015dd', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303793088, 1795303793105, 'portable_json', 'equipoise', 1795303793107);
INSERT INTO dbos.operation_outputs VALUES ('job_cf40222d800955327e9cf51e10b015dd', 2, 'advance', '{"checkpoint":"checkpoints/job_cf40222d800955327e9cf51e10b015dd/b0b766acff764d2f81fbf7ac176f26f2","superseded":null,"budget":200000,"seconds":1.1941453449981054,"spent":1.1941453449981054,"is_done":false,"goes_on":true}', NULL, NULL, 1795303793109, 1795303794334, 'portable_json', 'equipoise', 1795303794335);
INSERT INTO dbos.operation_outputs VALUES ('job_fb9b024345c776d66948822a1416766d', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303795973, 1795303796015, 'portable_json', 'equipoise', 1795303796021);
INSERT INTO dbos.operation_outputs VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303803349, 1795303803534, 'portable_json', 'equipoise', 1795303803542);
INSERT INTO dbos.operation_outputs VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 2, 'advance', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true,"error_code":"unstable_step","error_message":"dynamics.learning_rate=9.0: need less."}', NULL, NULL, 1795303803569, 1795303807754, 'portable_json', 'equipoise', 1795303807759);
INSERT INTO dbos.operation_outputs VALUES ('job_8f17a1a88a9f45312191910ba61243c8', 1, 'begin', '{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}', NULL, NULL, 1795303813979, 1795303813990, 'portable_json', 'equipoise', 1795303814031);
INSERT INTO dbos.operation_outputs VALUES ('job_8f17a1a88a9f45312191910ba61243c8', 2, 'advance', '{"checkpoint":"checkpoints/job_8f17a1a88a9f45312191910ba61243c8/b56275aae9594e3caab895184ea41028","superseded":null,"budget":200000,"seconds":4.670407511999656,"spent":4.670407511999656,"is_done":false,"goes_on":true}', NULL, NULL, 1795303814054, 1795303829498, 'portable_json', 'equipoise', 1795303829500);
INSERT INTO dbos.queues VALUES ('d1375505-524b-45fa-bae2-07e2168ab41d', 'quick', NULL, 4, NULL, NULL, true, false, 0.1, 1795303778272, 1795303813065, 'equipoise', NULL, NULL, NULL, NULL);
INSERT INTO dbos.queues VALUES ('d506d8d4-80c1-489f-b623-0c5a5e992554', 'cpu', NULL, 1, NULL, NULL, true, false, 0.25, 1795303778321, 1795303813139, 'equipoise', NULL, NULL, NULL, NULL);
INSERT INTO dbos.workflow_input VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', '{"namedArgs":{},"positionalArgs":["job_6f1f312796fa1bf56bd8618d666c1155"]}', 1795303777465);
INSERT INTO dbos.workflow_input VALUES ('job_8ba41817e217419d654977f63e919922', '{"namedArgs":{},"positionalArgs":["job_8ba41817e217419d654977f63e919922"]}', 1795303789643);
INSERT INTO dbos.workflow_input VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', '{"namedArgs":{},"positionalArgs":["job_bb4d30a5898b1cbeceab49ace8f75dbd"]}', 1795303792589);
INSERT INTO dbos.workflow_input VALUES ('job_cf40222d800955327e9cf51e10b015dd', '{"namedArgs":{},"positionalArgs":["job_cf40222d800955327e9cf51e10b015dd"]}', 1795303792922);
INSERT INTO dbos.workflow_input VALUES ('job_fb9b024345c776d66948822a1416766d', '{"namedArgs":{},"positionalArgs":["job_fb9b024345c776d66948822a1416766d"]}', 1795303795778);
INSERT INTO dbos.workflow_input VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', '{"namedArgs":{},"positionalArgs":["job_f6de51c15f550d2a9d9bc32d25f66155"]}', 1795303796791);
INSERT INTO dbos.workflow_input VALUES ('job_8f17a1a88a9f45312191910ba61243c8', '{"namedArgs":{},"positionalArgs":["job_8f17a1a88a9f45312191910ba61243c8"]}', 1795303808066);
INSERT INTO dbos.workflow_input VALUES ('job_27126a4d25b6cfca5df7ec7f40dc1ac1', '{"namedArgs":{},"positionalArgs":["job_27126a4d25b6cfca5df7ec7f40dc1ac1"]}', 1795303829574);
INSERT INTO dbos.workflow_input VALUES ('job_ab0bc03ba94f34d9281b14850b28afb0', '{"namedArgs":{},"positionalArgs":["job_ab0bc03ba94f34d9281b14850b28afb0"]}', 1795303829699);
INSERT INTO dbos.workflow_input VALUES ('job_cb0779948da7602230a2b311f4c3290d', '{"namedArgs":{},"positionalArgs":["job_cb0779948da7602230a2b311f4c3290d"]}', 1795303829981);
INSERT INTO dbos.workflow_output VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 'null', NULL, 1795303789078);
INSERT INTO dbos.workflow_output VALUES ('job_8ba41817e217419d654977f63e919922', 'null', NULL, 1795303792578);
INSERT INTO dbos.workflow_output VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 'null', NULL, 1795303792922);
INSERT INTO dbos.workflow_output VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 'null', NULL, 1795303807788);
INSERT INTO dbos.workflow_status VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 'SUCCESS', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/0bfcc3e1e2f1', 1795303777465, 1795303789078, '1', NULL, NULL, NULL, 1, 'quick', 604800000, 1795908578690, NULL, 1795303778695, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303789078, 'null', NULL, NULL, false, 'equipoise', '11166516-d071-4095-bec1-62f25b91900a');
INSERT INTO dbos.workflow_status VALUES ('job_8ba41817e217419d654977f63e919922', 'SUCCESS', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/0bfcc3e1e2f1', 1795303789643, 1795303792578, '1', NULL, NULL, NULL, 1, 'cpu', 604800000, 1795908589465, NULL, 1795303789605, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303792578, 'null', NULL, NULL, false, 'equipoise', 'a6530a80-3aac-4c12-972f-e685d34dee95');
INSERT INTO dbos.workflow_status VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 'SUCCESS', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/0bfcc3e1e2f1', 1795303792589, 1795303792922, '1', NULL, NULL, NULL, 1, 'cpu', 604800000, 1795908592678, NULL, 1795303792680, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303792922, 'null', NULL, NULL, false, 'equipoise', 'cf14e5d0-f8ec-443a-abc5-b0ee88f573ad');
INSERT INTO dbos.workflow_status VALUES ('job_cf40222d800955327e9cf51e10b015dd', 'CANCELLED', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/0bfcc3e1e2f1', 1795303792922, 1795303795057, '1', NULL, NULL, NULL, 1, NULL, 300, 1795303793332, NULL, NULL, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303795057, 'null', NULL, NULL, false, 'equipoise', '69093ef1-ad60-402e-9460-5085035d39c6');
INSERT INTO dbos.workflow_status VALUES ('job_fb9b024345c776d66948822a1416766d', 'CANCELLED', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/0bfcc3e1e2f1', 1795303795778, 1795303796138, '1', NULL, NULL, NULL, 1, NULL, 604800000, 1795908595915, NULL, NULL, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303796138, 'null', NULL, NULL, false, 'equipoise', '252dac85-9c03-40b2-9d60-da951d14e77c');
INSERT INTO dbos.workflow_status VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 'SUCCESS', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'refusing', 1795303796791, 1795303807788, '1', NULL, NULL, NULL, 1, 'cpu', 604800000, 1795908602895, NULL, 1795303802903, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795303807788, 'null', NULL, NULL, false, 'equipoise', 'd343bec1-8422-42a7-9b11-bc1ff1167e97');
INSERT INTO dbos.workflow_status VALUES ('job_8f17a1a88a9f45312191910ba61243c8', 'PENDING', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, 'laboratory/21ea0cb31d60', 1795303808066, 1795303813831, '1', NULL, NULL, NULL, 1, 'cpu', 604800000, 1795908613820, NULL, 1795303813831, NULL, 101, NULL, NULL, '3ce435cb-4ff2-4248-b095-245a7b8719e2', NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'equipoise', '78fa2013-ad67-4273-beab-3e9cb74f3df2');
INSERT INTO dbos.workflow_status VALUES ('job_27126a4d25b6cfca5df7ec7f40dc1ac1', 'ENQUEUED', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795303829574, 1795303829574, '1', NULL, NULL, NULL, 0, 'cpu', 604800000, NULL, NULL, NULL, NULL, 95, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'equipoise', 'ab1a4bc7-97ca-4b22-a5b3-f31f761681f7');
INSERT INTO dbos.workflow_status VALUES ('job_ab0bc03ba94f34d9281b14850b28afb0', 'ENQUEUED', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795303829699, 1795303829699, '1', NULL, NULL, NULL, 0, 'cpu', 604800000, NULL, NULL, NULL, NULL, 94, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'equipoise', '614be998-a19b-4022-bef7-86e17cafe6ec');
INSERT INTO dbos.workflow_status VALUES ('job_cb0779948da7602230a2b311f4c3290d', 'ENQUEUED', 'run_job', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795303829981, 1795303829981, '1', NULL, NULL, NULL, 0, 'quick', 604800000, NULL, NULL, NULL, NULL, 101, NULL, NULL, NULL, NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'equipoise', 'fb7e8bd4-ab73-4d49-a2a7-0582349ed663');
INSERT INTO public.equipoise_datasets VALUES ('ds_a87a71c547800d71ea1a24699148ddbf', 6, 'x', 'y', 586, 1795303777.314636);
INSERT INTO public.equipoise_idempotency_keys VALUES ('key-law', 'fb901c1fb015f4b0bb1b62e3c4ba2e716b660682d8a99b6169b794c8302e2140', 'job_6f1f312796fa1bf56bd8618d666c1155', 1795303777.5088258);
INSERT INTO public.equipoise_idempotency_keys VALUES ('key-ensemble', '26b01769d7e1f75409e2b4ee5d05f4006d56761205414a6815abda788cb01c2e', 'job_8ba41817e217419d654977f63e919922', 1795303789.6598074);
INSERT INTO public.equipoise_idempotency_keys VALUES ('key-dataset', '1a5b10b9f6b2469635ddab4ee1617e775a82c473f6749b0c8d0356705a82e426', 'job_bb4d30a5898b1cbeceab49ace8f75dbd', 1795303792.6216342);
INSERT INTO public.equipoise_job_tags VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 'done');
INSERT INTO public.equipoise_job_tags VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 'law');
INSERT INTO public.equipoise_job_tags VALUES ('job_8ba41817e217419d654977f63e919922', 'done');
INSERT INTO public.equipoise_job_tags VALUES ('job_8ba41817e217419d654977f63e919922', 'ensemble');
INSERT INTO public.equipoise_job_tags VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 'dataset');
INSERT INTO public.equipoise_job_tags VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 'done');
INSERT INTO public.equipoise_job_tags VALUES ('job_cf40222d800955327e9cf51e10b015dd', 'timed_out');
INSERT INTO public.equipoise_job_tags VALUES ('job_fb9b024345c776d66948822a1416766d', 'cancelled');
INSERT INTO public.equipoise_job_tags VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 'failed');
INSERT INTO public.equipoise_job_tags VALUES ('job_8f17a1a88a9f45312191910ba61243c8', 'interrupted');
INSERT INTO public.equipoise_job_tags VALUES ('job_27126a4d25b6cfca5df7ec7f40dc1ac1', 'queued');
INSERT INTO public.equipoise_job_tags VALUES ('job_ab0bc03ba94f34d9281b14850b28afb0', 'queued');
INSERT INTO public.equipoise_job_tags VALUES ('job_cb0779948da7602230a2b311f4c3290d', 'queued');
INSERT INTO public.equipoise_jobs VALUES ('job_6f1f312796fa1bf56bd8618d666c1155', 'job_6f1f312796fa1bf56bd8618d666c1155', 1, 'stationary', '{"data":{"input_std":1.0,"kind":"gaussian","noise_std":1.0,"slope":1.0},"grid":{"n_points":513,"v":null},"model":{"depth":1,"kind":"diagonal","width":1},"task":"stationary","temperature":0.05,"weight_decay":0.0}', 'b1b2fe32429cc95f46bc9bb4af15268f9296de1f03ec82788c188fd2105ffd8f', 'succeeded', 'quick', 0, 604800, 1, '{}', 'laboratory/0bfcc3e1e2f1', 9.833457, 'dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae', NULL, NULL, 1795303777.477684, 1795303778.9745998, 1795303789.033946, 1795303789.033946, 3);
INSERT INTO public.equipoise_jobs VALUES ('job_8ba41817e217419d654977f63e919922', 'job_8ba41817e217419d654977f63e919922', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":500,"noise":"gaussian","observables":["value"],"precision":"float64","seed":1,"task":"simulate"}', '62c9c343ac7aac747d7fe38d62e4b6232976e0175eb4c381a828de0eaeb751ee', 'succeeded', 'cpu', 0, 604800, 1, '{"mean": 1.2914469206504293, "n_diverged": 0, "n_absorbed": 0, "path_steps": 32000}', 'laboratory/0bfcc3e1e2f1', 2.057702, '62e7ee59998806c22248795a736a52fb33608fa52416c65d203965d94b8adb50', NULL, NULL, 1795303789.6508565, 1795303789.7569287, 1795303792.546704, 1795303792.546704, 4);
INSERT INTO public.equipoise_jobs VALUES ('job_bb4d30a5898b1cbeceab49ace8f75dbd', 'job_bb4d30a5898b1cbeceab49ace8f75dbd', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"id":"ds_a87a71c547800d71ea1a24699148ddbf","kind":"dataset","standardize":false},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":500,"noise":"gaussian","observables":["value"],"precision":"float64","seed":2,"task":"simulate"}', 'b25460ae06a9cd69fb8cdee0f03c6e3b02f541074481cc934f403cf9d8f5d630', 'succeeded', 'cpu', 0, 604800, 1, '{"mean": 1.799375590176655, "n_diverged": 0, "n_absorbed": 0, "path_steps": 32000}', 'laboratory/0bfcc3e1e2f1', 0.111763, 'ee0179000abca3bb7f1087833431d9c6d1e2649d1048a6e2644db6489fc543c2', NULL, NULL, 1795303792.6016972, 1795303792.709961, 1795303792.8956316, 1795303792.8956316, 4);
INSERT INTO public.equipoise_jobs VALUES ('job_fb9b024345c776d66948822a1416766d', 'job_fb9b024345c776d66948822a1416766d', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":100000000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":4,"task":"simulate"}', '20357a84bcbe30b8a8ae264cf6e2cda3814ef274628a527dba6e00162cd5c07f', 'cancelled', 'cpu', 0, 604800, 0, '{}', 'laboratory/0bfcc3e1e2f1', NULL, NULL, NULL, NULL, 1795303795.7818954, 1795303796.0070388, 1795303796.5701222, 1795303796.5701222, 4);
INSERT INTO public.equipoise_jobs VALUES ('job_f6de51c15f550d2a9d9bc32d25f66155', 'job_f6de51c15f550d2a9d9bc32d25f66155', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":10,"noise":"gaussian","observables":["value"],"precision":"float64","seed":101,"task":"simulate"}', '4c62975040678a2132836d56cf8817b74e8a035a884c8ac30861c40be7ad8cf9', 'failed', 'cpu', 0, 604800, 0, '{}', 'refusing', NULL, NULL, 'unstable_step', 'dynamics.learning_rate=9.0: need less.', 1795303796.800481, 1795303803.4863005, 1795303807.7690644, 1795303807.7690644, 3);
INSERT INTO public.equipoise_jobs VALUES ('job_8f17a1a88a9f45312191910ba61243c8', 'job_8f17a1a88a9f45312191910ba61243c8', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":300000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":5,"task":"simulate"}', 'fb5b8ee1b74d6be6c839945c4ba74f35602c62c96b024461018cc729ada19e4c', 'running', 'cpu', 0, 604800, 0.2, '{"mean": null, "n_diverged": 0, "n_absorbed": 0, "path_steps": 3999296}', 'laboratory/21ea0cb31d60', NULL, NULL, NULL, NULL, 1795303808.0769188, 1795303813.9860878, NULL, 1795303829.4608827, 3);
INSERT INTO public.equipoise_jobs VALUES ('job_27126a4d25b6cfca5df7ec7f40dc1ac1', 'job_27126a4d25b6cfca5df7ec7f40dc1ac1', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":206,"noise":"gaussian","observables":["value"],"precision":"float64","seed":6,"task":"simulate"}', '1332b641c5ea74480c633ae67f29cbd2733930f1c04e9cb1ae74cd7f037dbfc9', 'queued', 'cpu', 6, 604800, 0, '{}', NULL, NULL, NULL, NULL, NULL, 1795303829.5912564, NULL, NULL, 1795303829.5912564, 1);
INSERT INTO public.equipoise_jobs VALUES ('job_ab0bc03ba94f34d9281b14850b28afb0', 'job_ab0bc03ba94f34d9281b14850b28afb0', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":207,"noise":"gaussian","observables":["value"],"precision":"float64","seed":7,"task":"simulate"}', 'd20e74d1764b5ea2a03b49cc627f95561566697be58709736a6643134175e437', 'queued', 'cpu', 7, 604800, 0, '{}', NULL, NULL, NULL, NULL, NULL, 1795303829.7132084, NULL, NULL, 1795303829.7132084, 1);
INSERT INTO public.equipoise_jobs VALUES ('job_cb0779948da7602230a2b311f4c3290d', 'job_cb0779948da7602230a2b311f4c3290d', 1, 'stationary', '{"data":{"input_std":1.0,"kind":"gaussian","noise_std":1.0,"slope":1.0},"grid":{"n_points":513,"v":null},"model":{"depth":1,"kind":"diagonal","width":1},"task":"stationary","temperature":0.07,"weight_decay":0.0}', '24cc49586e55fb158db3270ae45bedcae43b6092277a4adb7413d442bddbcd8c', 'queued', 'quick', 0, 604800, 0, '{}', NULL, NULL, NULL, NULL, NULL, 1795303829.9941154, NULL, NULL, 1795303829.9941154, 1);
INSERT INTO public.equipoise_jobs VALUES ('job_cf40222d800955327e9cf51e10b015dd', 'job_cf40222d800955327e9cf51e10b015dd', 1, 'simulate', '{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":100000000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":3,"task":"simulate"}', '09b0bb13dda75ce229bdc24cf10ba3de3064c85c39e303ba21d2e9d4dd6f5936', 'timed_out', 'cpu', 0, 0.3, 0.0006246096189881324, '{"mean": null, "n_diverged": 0, "n_absorbed": 0, "path_steps": 3999744}', 'laboratory/0bfcc3e1e2f1', NULL, NULL, 'timed_out', 'The job ran longer than 0.3 s. Ask for less, or raise timeout_seconds.', 1795303792.9266503, 1795303793.1022973, 1795303795.7302332, 1795303795.7302332, 4);
INSERT INTO public.equipoise_schema_version VALUES (1);
INSERT INTO public.equipoise_workers VALUES ('laboratory/21ea0cb31d60', 'laboratory', 'laboratory/boot/pid:[4026531836]', '30407:4771952', 'cpu', 1, 'quick,cpu', '0.1.0', 1795303813.058706, 1795303828.689682, NULL);
SELECT pg_catalog.setval('public.equipoise_schema_version_version_seq', 1, false);
ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_pkey PRIMARY KEY (version_id);
ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_version_name_key UNIQUE (version_name);
ALTER TABLE ONLY dbos.dbos_migrations
    ADD CONSTRAINT dbos_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY dbos.event_dispatch_kv
    ADD CONSTRAINT event_dispatch_kv_pkey PRIMARY KEY (service_name, workflow_fn_name, key);
ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (message_uuid);
ALTER TABLE ONLY dbos.operation_outputs
    ADD CONSTRAINT operation_outputs_pkey PRIMARY KEY (workflow_uuid, function_id);
ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_name_key UNIQUE (name);
ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (queue_id);
ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (workflow_uuid, key, "offset");
ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_pkey PRIMARY KEY (workflow_uuid, function_id, key);
ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_pkey PRIMARY KEY (workflow_uuid, key);
ALTER TABLE ONLY dbos.workflow_input
    ADD CONSTRAINT workflow_input_pkey PRIMARY KEY (workflow_uuid);
ALTER TABLE ONLY dbos.workflow_output
    ADD CONSTRAINT workflow_output_pkey PRIMARY KEY (workflow_uuid);
ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_pkey PRIMARY KEY (schedule_id);
ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_schedule_name_key UNIQUE (schedule_name);
ALTER TABLE ONLY dbos.workflow_status
    ADD CONSTRAINT workflow_status_pkey PRIMARY KEY (workflow_uuid);
ALTER TABLE ONLY public.equipoise_datasets
    ADD CONSTRAINT equipoise_datasets_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.equipoise_idempotency_keys
    ADD CONSTRAINT equipoise_idempotency_keys_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.equipoise_job_tags
    ADD CONSTRAINT equipoise_job_tags_pkey PRIMARY KEY (job_id, tag);
ALTER TABLE ONLY public.equipoise_jobs
    ADD CONSTRAINT equipoise_jobs_content_id_attempt_key UNIQUE (content_id, attempt);
ALTER TABLE ONLY public.equipoise_jobs
    ADD CONSTRAINT equipoise_jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.equipoise_schema_version
    ADD CONSTRAINT equipoise_schema_version_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.equipoise_workers
    ADD CONSTRAINT equipoise_workers_pkey PRIMARY KEY (id);
CREATE INDEX idx_application_versions_owner_timestamp ON dbos.application_versions USING btree (application_name, version_timestamp DESC);
CREATE INDEX idx_application_versions_timestamp ON dbos.application_versions USING btree (version_timestamp DESC);
CREATE INDEX idx_operation_outputs_completed_at_function_name_v2 ON dbos.operation_outputs USING btree (completed_at_epoch_ms, function_name) INCLUDE (application_name);
CREATE INDEX idx_operation_outputs_retention ON dbos.operation_outputs USING btree (retention_timestamp);
CREATE INDEX idx_workflow_input_retention ON dbos.workflow_input USING btree (retention_timestamp);
CREATE INDEX idx_workflow_output_retention ON dbos.workflow_output USING btree (retention_timestamp);
CREATE INDEX idx_workflow_status_attributes ON dbos.workflow_status USING gin (attributes) WHERE (attributes IS NOT NULL);
CREATE INDEX idx_workflow_status_completed_at ON dbos.workflow_status USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX idx_workflow_status_deadline ON dbos.workflow_status USING btree (workflow_deadline_epoch_ms) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text, 'DELAYED'::text])) AND (workflow_deadline_epoch_ms IS NOT NULL));
CREATE INDEX idx_workflow_status_delayed ON dbos.workflow_status USING btree (delay_until_epoch_ms) WHERE (status = 'DELAYED'::text);
CREATE INDEX idx_workflow_status_failed ON dbos.workflow_status USING btree (status, created_at) WHERE (status = ANY (ARRAY['ERROR'::text, 'CANCELLED'::text, 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'::text]));
CREATE INDEX idx_workflow_status_forked_from ON dbos.workflow_status USING btree (forked_from) WHERE (forked_from IS NOT NULL);
CREATE INDEX idx_workflow_status_in_flight_v2 ON dbos.workflow_status USING btree (queue_name, status, priority, created_at) INCLUDE (application_name) WHERE (status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text]));
CREATE INDEX idx_workflow_status_parent_workflow_id ON dbos.workflow_status USING btree (parent_workflow_id) WHERE (parent_workflow_id IS NOT NULL);
CREATE INDEX idx_workflow_status_partition_dequeue_v3 ON dbos.workflow_status USING btree (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid) INCLUDE (application_name) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text])) AND (queue_partition_key IS NOT NULL));
CREATE INDEX idx_workflow_status_pending ON dbos.workflow_status USING btree (created_at) WHERE (status = 'PENDING'::text);
CREATE INDEX idx_workflow_status_rate_limited ON dbos.workflow_status USING btree (queue_name, started_at_epoch_ms) WHERE (rate_limited = true);
CREATE INDEX idx_workflow_status_schedule_name ON dbos.workflow_status USING btree (schedule_name) WHERE (schedule_name IS NOT NULL);
CREATE INDEX idx_workflow_status_started_at ON dbos.workflow_status USING btree (started_at_epoch_ms) WHERE (started_at_epoch_ms IS NOT NULL);
CREATE INDEX idx_workflow_topic ON dbos.notifications USING btree (destination_uuid, topic);
CREATE UNIQUE INDEX uq_application_versions_owner_version ON dbos.application_versions USING btree (application_name, version_name) WHERE (application_name IS NOT NULL);
CREATE UNIQUE INDEX uq_application_versions_unclaimed_version ON dbos.application_versions USING btree (version_name) WHERE (application_name IS NULL);
CREATE UNIQUE INDEX uq_workflow_status_dedup_id ON dbos.workflow_status USING btree (queue_name, deduplication_id) WHERE (deduplication_id IS NOT NULL);
CREATE INDEX workflow_status_created_at_index ON dbos.workflow_status USING btree (created_at);
CREATE INDEX equipoise_job_tags_tag ON public.equipoise_job_tags USING btree (tag);
CREATE INDEX equipoise_jobs_newest ON public.equipoise_jobs USING btree (submitted_at, id);
CREATE INDEX equipoise_jobs_status ON public.equipoise_jobs USING btree (status, updated_at);
CREATE INDEX ix_equipoise_idempotency_keys_job_id ON public.equipoise_idempotency_keys USING btree (job_id);
CREATE TRIGGER dbos_notifications_trigger AFTER INSERT ON dbos.notifications FOR EACH ROW EXECUTE FUNCTION dbos.notifications_function();
ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_destination_uuid_fkey FOREIGN KEY (destination_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
