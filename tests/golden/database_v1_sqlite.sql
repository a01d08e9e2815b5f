BEGIN TRANSACTION;
CREATE TABLE application_versions (
    version_id TEXT NOT NULL PRIMARY KEY,
    version_name TEXT NOT NULL UNIQUE,
    version_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
, "application_name" TEXT DEFAULT NULL);
INSERT INTO "application_versions" VALUES('d8152073-97ca-494c-bd9a-61c5a7726a2e','1',1795303714000,1795303714000,'equipoise');
CREATE TABLE dbos_migrations (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO "dbos_migrations" VALUES(125);
CREATE TABLE equipoise_datasets (
	id VARCHAR(64) NOT NULL, 
	n_rows BIGINT NOT NULL, 
	x TEXT NOT NULL, 
	y TEXT NOT NULL, 
	bytes_stored BIGINT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "equipoise_datasets" VALUES('ds_a87a71c547800d71ea1a24699148ddbf',6,'x','y',586,1.79530371228763675683e+09);
CREATE TABLE equipoise_idempotency_keys (
	"key" VARCHAR(255) NOT NULL, 
	body_hash VARCHAR(64) NOT NULL, 
	job_id VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "equipoise_idempotency_keys" VALUES('key-law','fb901c1fb015f4b0bb1b62e3c4ba2e716b660682d8a99b6169b794c8302e2140','job_6f1f312796fa1bf56bd8618d666c1155',1.7953037124907844067e+09);
INSERT INTO "equipoise_idempotency_keys" VALUES('key-ensemble','26b01769d7e1f75409e2b4ee5d05f4006d56761205414a6815abda788cb01c2e','job_8ba41817e217419d654977f63e919922',1.79530372609362721438e+09);
INSERT INTO "equipoise_idempotency_keys" VALUES('key-dataset','1a5b10b9f6b2469635ddab4ee1617e775a82c473f6749b0c8d0356705a82e426','job_bb4d30a5898b1cbeceab49ace8f75dbd',1.79530372902660131451e+09);
CREATE TABLE equipoise_job_tags (
	job_id VARCHAR(64) NOT NULL, 
	tag VARCHAR(64) NOT NULL, 
	PRIMARY KEY (job_id, tag)
);
INSERT INTO "equipoise_job_tags" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','done');
INSERT INTO "equipoise_job_tags" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','law');
INSERT INTO "equipoise_job_tags" VALUES('job_8ba41817e217419d654977f63e919922','done');
INSERT INTO "equipoise_job_tags" VALUES('job_8ba41817e217419d654977f63e919922','ensemble');
INSERT INTO "equipoise_job_tags" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','dataset');
INSERT INTO "equipoise_job_tags" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','done');
INSERT INTO "equipoise_job_tags" VALUES('job_cf40222d800955327e9cf51e10b015dd','timed_out');
INSERT INTO "equipoise_job_tags" VALUES('job_fb9b024345c776d66948822a1416766d','cancelled');
INSERT INTO "equipoise_job_tags" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155','failed');
INSERT INTO "equipoise_job_tags" VALUES('job_8f17a1a88a9f45312191910ba61243c8','interrupted');
INSERT INTO "equipoise_job_tags" VALUES('job_27126a4d25b6cfca5df7ec7f40dc1ac1','queued');
INSERT INTO "equipoise_job_tags" VALUES('job_ab0bc03ba94f34d9281b14850b28afb0','queued');
INSERT INTO "equipoise_job_tags" VALUES('job_cb0779948da7602230a2b311f4c3290d','queued');
CREATE TABLE equipoise_jobs (
	id VARCHAR(64) NOT NULL, 
	content_id VARCHAR(64) NOT NULL, 
	attempt INTEGER NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	spec TEXT NOT NULL, 
	spec_hash VARCHAR(64) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	queue VARCHAR(32) NOT NULL, 
	priority INTEGER NOT NULL, 
	timeout_seconds FLOAT NOT NULL, 
	progress FLOAT NOT NULL, 
	live TEXT NOT NULL, 
	worker VARCHAR(160), 
	seconds FLOAT, 
	result VARCHAR(64), 
	error_code VARCHAR(64), 
	error_message TEXT, 
	submitted_at FLOAT NOT NULL, 
	started_at FLOAT, 
	finished_at FLOAT, 
	updated_at FLOAT NOT NULL, 
	revision INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (content_id, attempt)
);
INSERT INTO "equipoise_jobs" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','job_6f1f312796fa1bf56bd8618d666c1155',1,'stationary','{"data":{"input_std":1.0,"kind":"gaussian","noise_std":1.0,"slope":1.0},"grid":{"n_points":513,"v":null},"model":{"depth":1,"kind":"diagonal","width":1},"task":"stationary","temperature":0.05,"weight_decay":0.0}','b1b2fe32429cc95f46bc9bb4af15268f9296de1f03ec82788c188fd2105ffd8f','succeeded','quick',0,604800.0,1.0,'{}','laboratory/accd82fb05b2',10.202325,'dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae',NULL,NULL,1.79530371246061587336e+09,1.79530371516997957234e+09,1.79530372547883105283e+09,1.79530372547883105283e+09,3);
INSERT INTO "equipoise_jobs" VALUES('job_8ba41817e217419d654977f63e919922','job_8ba41817e217419d654977f63e919922',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":500,"noise":"gaussian","observables":["value"],"precision":"float64","seed":1,"task":"simulate"}','62c9c343ac7aac747d7fe38d62e4b6232976e0175eb4c381a828de0eaeb751ee','succeeded','cpu',0,604800.0,1.0,'{"mean": 1.2914469206504293, "n_diverged": 0, "n_absorbed": 0, "path_steps": 32000}','laboratory/accd82fb05b2',1.491071,'62e7ee59998806c22248795a736a52fb33608fa52416c65d203965d94b8adb50',NULL,NULL,1.79530372608735179894e+09,1.79530372634266614916e+09,1.79530372869329857832e+09,1.79530372869329857832e+09,4);
INSERT INTO "equipoise_jobs" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','job_bb4d30a5898b1cbeceab49ace8f75dbd',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"id":"ds_a87a71c547800d71ea1a24699148ddbf","kind":"dataset","standardize":false},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":500,"noise":"gaussian","observables":["value"],"precision":"float64","seed":2,"task":"simulate"}','b25460ae06a9cd69fb8cdee0f03c6e3b02f541074481cc934f403cf9d8f5d630','succeeded','cpu',0,604800.0,1.0,'{"mean": 1.799375590176655, "n_diverged": 0, "n_absorbed": 0, "path_steps": 32000}','laboratory/accd82fb05b2',0.243087,'ee0179000abca3bb7f1087833431d9c6d1e2649d1048a6e2644db6489fc543c2',NULL,NULL,1.7953037289482655525e+09,1.79530372908571529385e+09,1.79530372961447453501e+09,1.79530372961447453501e+09,4);
INSERT INTO "equipoise_jobs" VALUES('job_cf40222d800955327e9cf51e10b015dd','job_cf40222d800955327e9cf51e10b015dd',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":100000000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":3,"task":"simulate"}','09b0bb13dda75ce229bdc24cf10ba3de3064c85c39e303ba21d2e9d4dd6f5936','timed_out','cpu',0,0.3,0.0,'{}','laboratory/accd82fb05b2',NULL,NULL,'timed_out','The job ran longer than 0.3 s. Ask for less, or raise timeout_seconds.',1.79530372969314312931e+09,1.79530373011883950234e+09,1.79530373193867468827e+09,1.79530373193867468827e+09,3);
INSERT INTO "equipoise_jobs" VALUES('job_fb9b024345c776d66948822a1416766d','job_fb9b024345c776d66948822a1416766d',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":100000000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":4,"task":"simulate"}','20357a84bcbe30b8a8ae264cf6e2cda3814ef274628a527dba6e00162cd5c07f','cancelled','cpu',0,604800.0,0.0,'{}','laboratory/accd82fb05b2',NULL,NULL,NULL,NULL,1.79530373200242519384e+09,1.79530373240545129773e+09,1.79530373268176484105e+09,1.79530373268176484105e+09,4);
INSERT INTO "equipoise_jobs" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155','job_f6de51c15f550d2a9d9bc32d25f66155',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":10,"noise":"gaussian","observables":["value"],"precision":"float64","seed":101,"task":"simulate"}','4c62975040678a2132836d56cf8817b74e8a035a884c8ac30861c40be7ad8cf9','failed','cpu',0,604800.0,0.0,'{}','refusing',NULL,NULL,'unstable_step','dynamics.learning_rate=9.0: need less.',1.79530373300345039372e+09,1.79530373818233752254e+09,1.79530374397422814373e+09,1.79530374397422814373e+09,3);
INSERT INTO "equipoise_jobs" VALUES('job_8f17a1a88a9f45312191910ba61243c8','job_8f17a1a88a9f45312191910ba61243c8',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":300000,"noise":"gaussian","observables":["value"],"precision":"float64","seed":5,"task":"simulate"}','fb5b8ee1b74d6be6c839945c4ba74f35602c62c96b024461018cc729ada19e4c','running','cpu',0,604800.0,0.2,'{"mean": null, "n_diverged": 0, "n_absorbed": 0, "path_steps": 3999296}','laboratory/b1050066b5a4',NULL,NULL,NULL,NULL,1.79530374415114474294e+09,1.79530374903817629807e+09,NULL,1.79530376261041045189e+09,3);
INSERT INTO "equipoise_jobs" VALUES('job_27126a4d25b6cfca5df7ec7f40dc1ac1','job_27126a4d25b6cfca5df7ec7f40dc1ac1',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":206,"noise":"gaussian","observables":["value"],"precision":"float64","seed":6,"task":"simulate"}','1332b641c5ea74480c633ae67f29cbd2733930f1c04e9cb1ae74cd7f037dbfc9','queued','cpu',6,604800.0,0.0,'{}',NULL,NULL,NULL,NULL,NULL,1.79530376269121527666e+09,NULL,NULL,1.79530376269121527666e+09,1);
INSERT INTO "equipoise_jobs" VALUES('job_ab0bc03ba94f34d9281b14850b28afb0','job_ab0bc03ba94f34d9281b14850b28afb0',1,'simulate','{"burn_in":0.5,"coordinate":"parameters","data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},"duration":null,"dynamics":{"batch_size":2,"kind":"sgd","label_noise":0.0,"learning_rate":0.02,"momentum":0.0,"sampling":"iid","weight_decay":0.0},"first_passage":null,"init":{"kind":"balanced","value":null},"model":{"depth":1,"kind":"diagonal","width":1},"n_paths":64,"n_records":200,"n_snapshots":0,"n_steps":207,"noise":"gaussian","observables":["value"],"precision":"float64","seed":7,"task":"simulate"}','d20e74d1764b5ea2a03b49cc627f95561566697be58709736a6643134175e437','queued','cpu',7,604800.0,0.0,'{}',NULL,NULL,NULL,NULL,NULL,1.7953037627919340134e+09,NULL,NULL,1.7953037627919340134e+09,1);
INSERT INTO "equipoise_jobs" VALUES('job_cb0779948da7602230a2b311f4c3290d','job_cb0779948da7602230a2b311f4c3290d',1,'stationary','{"data":{"input_std":1.0,"kind":"gaussian","noise_std":1.0,"slope":1.0},"grid":{"n_points":513,"v":null},"model":{"depth":1,"kind":"diagonal","width":1},"task":"stationary","temperature":0.07,"weight_decay":0.0}','24cc49586e55fb158db3270ae45bedcae43b6092277a4adb7413d442bddbcd8c','queued','quick',0,604800.0,0.0,'{}',NULL,NULL,NULL,NULL,NULL,1.79530376299108576773e+09,NULL,NULL,1.79530376299108576773e+09,1);
CREATE TABLE equipoise_schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "equipoise_schema_version" VALUES(1);
CREATE TABLE equipoise_workers (
	id VARCHAR(160) NOT NULL, 
	host TEXT NOT NULL, 
	process_space TEXT NOT NULL, 
	process TEXT NOT NULL, 
	device VARCHAR(32) NOT NULL, 
	threads INTEGER NOT NULL, 
	queues TEXT NOT NULL, 
	version VARCHAR(32) NOT NULL, 
	started_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	stopped_at FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "equipoise_workers" VALUES('laboratory/b1050066b5a4','laboratory','laboratory/boot/pid:[4026531836]','29671:4765560','cpu',1,'quick,cpu','0.1.0',1.79530374817198371886e+09,1.79530376096901750568e+09,NULL);
CREATE TABLE notifications (
    message_uuid TEXT NOT NULL DEFAULT (hex(randomblob(16))) PRIMARY KEY,
    destination_uuid TEXT NOT NULL,
    topic TEXT,
    message TEXT NOT NULL,
    created_at_epoch_ms INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000), "serialization" TEXT DEFAULT NULL, "consumed" BOOLEAN NOT NULL DEFAULT FALSE, consumed_by_function_id INTEGER,
    FOREIGN KEY (destination_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE "operation_outputs" (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    function_name TEXT NOT NULL DEFAULT '',
    output TEXT,
    error TEXT,
    child_workflow_id TEXT,
    started_at_epoch_ms INTEGER,
    completed_at_epoch_ms INTEGER,
    serialization TEXT,
    application_name TEXT DEFAULT NULL,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    PRIMARY KEY (workflow_uuid, function_id)
);
INSERT INTO "operation_outputs" VALUES('job_6f1f312796fa1bf56bd8618d666c1155',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303715102,1795303715171,'portable_json','equipoise',1795303715000);
INSERT INTO "operation_outputs" VALUES('job_6f1f312796fa1bf56bd8618d666c1155',2,'advance','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":10.202325300000666,"goes_on":true,"result":"dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae","is_done":true}',NULL,NULL,1795303715204,1795303725421,'portable_json','equipoise',1795303725000);
INSERT INTO "operation_outputs" VALUES('job_6f1f312796fa1bf56bd8618d666c1155',3,'publish','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":10.202325300000666,"goes_on":true,"result":"dfd940555262e840f486d1f1f6678e0caf7bb87d520b442e14abd1312bac63ae","is_done":true}',NULL,NULL,1795303725469,1795303725480,'portable_json','equipoise',1795303725000);
INSERT INTO "operation_outputs" VALUES('job_8ba41817e217419d654977f63e919922',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303726340,1795303726343,'portable_json','equipoise',1795303726000);
INSERT INTO "operation_outputs" VALUES('job_8ba41817e217419d654977f63e919922',2,'advance','{"checkpoint":"checkpoints/job_8ba41817e217419d654977f63e919922/71278a417b5540e0a2ce315f63cfd148","superseded":null,"budget":200000,"seconds":1.4531679339997936,"spent":1.4531679339997936,"is_done":true,"goes_on":true}',NULL,NULL,1795303726345,1795303728622,'portable_json','equipoise',1795303728000);
INSERT INTO "operation_outputs" VALUES('job_8ba41817e217419d654977f63e919922',3,'publish','{"checkpoint":"checkpoints/job_8ba41817e217419d654977f63e919922/71278a417b5540e0a2ce315f63cfd148","superseded":null,"budget":200000,"seconds":1.4531679339997936,"spent":1.4910708270035684,"is_done":true,"goes_on":true,"result":"62e7ee59998806c22248795a736a52fb33608fa52416c65d203965d94b8adb50"}',NULL,NULL,1795303728625,1795303728797,'portable_json','equipoise',1795303728000);
INSERT INTO "operation_outputs" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303729082,1795303729097,'portable_json','equipoise',1795303729000);
INSERT INTO "operation_outputs" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd',2,'advance','{"checkpoint":"checkpoints/job_bb4d30a5898b1cbeceab49ace8f75dbd/29a0131bf113472b9b35ae8261abfa36","superseded":null,"budget":200000,"seconds":0.225887642998714,"spent":0.225887642998714,"is_done":true,"goes_on":true}',NULL,NULL,1795303729102,1795303729500,'portable_json','equipoise',1795303729000);
INSERT INTO "operation_outputs" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd',3,'publish','{"checkpoint":"checkpoints/job_bb4d30a5898b1cbeceab49ace8f75dbd/29a0131bf113472b9b35ae8261abfa36","superseded":null,"budget":200000,"seconds":0.225887642998714,"spent":0.24308720899716718,"is_done":true,"goes_on":true,"result":"ee0179000abca3bb7f1087833431d9c6d1e2649d1048a6e2644db6489fc543c2"}',NULL,NULL,1795303729558,1795303729654,'portable_json','equipoise',1795303729000);
INSERT INTO "operation_outputs" VALUES('job_cf40222d800955327e9cf51e10b015dd',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303730117,1795303730120,'portable_json','equipoise',1795303730000);
INSERT INTO "operation_outputs" VALUES('job_fb9b024345c776d66948822a1416766d',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303732401,1795303732408,'portable_json','equipoise',1795303732000);
INSERT INTO "operation_outputs" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303738156,1795303738193,'portable_json','equipoise',1795303738000);
INSERT INTO "operation_outputs" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155',2,'advance','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true,"error_code":"unstable_step","error_message":"dynamics.learning_rate=9.0: need less."}',NULL,NULL,1795303738213,1795303743963,'portable_json','equipoise',1795303743000);
INSERT INTO "operation_outputs" VALUES('job_8f17a1a88a9f45312191910ba61243c8',1,'begin','{"checkpoint":null,"budget":null,"seconds":0.0,"spent":0.0,"goes_on":true}',NULL,NULL,1795303749010,1795303749046,'portable_json','equipoise',1795303749000);
INSERT INTO "operation_outputs" VALUES('job_8f17a1a88a9f45312191910ba61243c8',2,'advance','{"checkpoint":"checkpoints/job_8f17a1a88a9f45312191910ba61243c8/26e48a13da45461bab8b6e07b1b67dae","superseded":null,"budget":200000,"seconds":4.516311562998453,"spent":4.516311562998453,"is_done":false,"goes_on":true}',NULL,NULL,1795303749065,1795303762612,'portable_json','equipoise',1795303762000);
CREATE TABLE queues (
    queue_id TEXT PRIMARY KEY DEFAULT (hex(randomblob(16))),
    name TEXT NOT NULL UNIQUE,
    concurrency INTEGER,
    worker_concurrency INTEGER,
    rate_limit_max INTEGER,
    rate_limit_period_sec REAL,
    priority_enabled BOOLEAN NOT NULL DEFAULT FALSE,
    partition_queue BOOLEAN NOT NULL DEFAULT FALSE,
    polling_interval_sec REAL NOT NULL DEFAULT 1.0,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
, "application_name" TEXT DEFAULT NULL, "partition_concurrency" INTEGER DEFAULT NULL, "partition_worker_concurrency" INTEGER DEFAULT NULL, "partition_rate_limit_max" INTEGER DEFAULT NULL, "partition_rate_limit_period_sec" REAL DEFAULT NULL);
INSERT INTO "queues" VALUES('6E77048584E8344BA094A107F2F539D8','quick',NULL,4,NULL,NULL,1,0,0.1,1795303714000,1795303748172,'equipoise',NULL,NULL,NULL,NULL);
INSERT INTO "queues" VALUES('D647E8175921F94DE190568A03A0F298','cpu',NULL,1,NULL,NULL,1,0,0.25,1795303714000,1795303748211,'equipoise',NULL,NULL,NULL,NULL);
CREATE TABLE streams (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    "offset" INTEGER NOT NULL, function_id INTEGER NOT NULL DEFAULT 0, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key, "offset"),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_events (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_events_history (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, function_id, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid)
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_input (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    inputs TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_input" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','{"namedArgs":{},"positionalArgs":["job_6f1f312796fa1bf56bd8618d666c1155"]}',1795303712000);
INSERT INTO "workflow_input" VALUES('job_8ba41817e217419d654977f63e919922','{"namedArgs":{},"positionalArgs":["job_8ba41817e217419d654977f63e919922"]}',1795303726000);
INSERT INTO "workflow_input" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','{"namedArgs":{},"positionalArgs":["job_bb4d30a5898b1cbeceab49ace8f75dbd"]}',1795303729000);
INSERT INTO "workflow_input" VALUES('job_cf40222d800955327e9cf51e10b015dd','{"namedArgs":{},"positionalArgs":["job_cf40222d800955327e9cf51e10b015dd"]}',1795303729000);
INSERT INTO "workflow_input" VALUES('job_fb9b024345c776d66948822a1416766d','{"namedArgs":{},"positionalArgs":["job_fb9b024345c776d66948822a1416766d"]}',1795303732000);
INSERT INTO "workflow_input" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155','{"namedArgs":{},"positionalArgs":["job_f6de51c15f550d2a9d9bc32d25f66155"]}',1795303733000);
INSERT INTO "workflow_input" VALUES('job_8f17a1a88a9f45312191910ba61243c8','{"namedArgs":{},"positionalArgs":["job_8f17a1a88a9f45312191910ba61243c8"]}',1795303744000);
INSERT INTO "workflow_input" VALUES('job_27126a4d25b6cfca5df7ec7f40dc1ac1','{"namedArgs":{},"positionalArgs":["job_27126a4d25b6cfca5df7ec7f40dc1ac1"]}',1795303762000);
INSERT INTO "workflow_input" VALUES('job_ab0bc03ba94f34d9281b14850b28afb0','{"namedArgs":{},"positionalArgs":["job_ab0bc03ba94f34d9281b14850b28afb0"]}',1795303762000);
INSERT INTO "workflow_input" VALUES('job_cb0779948da7602230a2b311f4c3290d','{"namedArgs":{},"positionalArgs":["job_cb0779948da7602230a2b311f4c3290d"]}',1795303762000);
CREATE TABLE workflow_output (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    output TEXT,
    error TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_output" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','null',NULL,1795303725000);
INSERT INTO "workflow_output" VALUES('job_8ba41817e217419d654977f63e919922','null',NULL,1795303728000);
INSERT INTO "workflow_output" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','null',NULL,1795303729000);
INSERT INTO "workflow_output" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155','null',NULL,1795303743000);
CREATE TABLE workflow_schedules (
    schedule_id TEXT PRIMARY KEY,
    schedule_name TEXT NOT NULL UNIQUE,
    workflow_name TEXT NOT NULL,
    workflow_class_name TEXT,
    schedule TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'ACTIVE',
    context TEXT NOT NULL
, "last_fired_at" TEXT DEFAULT NULL, "automatic_backfill" BOOLEAN NOT NULL DEFAULT FALSE, "cron_timezone" TEXT DEFAULT NULL, "queue_name" TEXT DEFAULT NULL, "application_name" TEXT DEFAULT NULL);
CREATE TABLE workflow_status (
    workflow_uuid TEXT PRIMARY KEY,
    status TEXT,
    name TEXT,
    authenticated_user TEXT,
    assumed_role TEXT,
    authenticated_roles TEXT,
    request TEXT,
    output TEXT,
    error TEXT,
    executor_id TEXT,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    application_version TEXT,
    application_id TEXT,
    class_name TEXT DEFAULT NULL,
    config_name TEXT DEFAULT NULL,
    recovery_attempts INTEGER DEFAULT 0,
    queue_name TEXT,
    workflow_timeout_ms INTEGER,
    workflow_deadline_epoch_ms INTEGER,
    inputs TEXT,
    started_at_epoch_ms INTEGER,
    deduplication_id TEXT,
    priority INTEGER NOT NULL DEFAULT 0
, queue_partition_key TEXT, forked_from TEXT, "owner_xid" TEXT DEFAULT NULL, "parent_workflow_id" TEXT DEFAULT NULL, "serialization" TEXT DEFAULT NULL, "delay_until_epoch_ms" BIGINT DEFAULT NULL, "was_forked_from" BOOLEAN NOT NULL DEFAULT FALSE, "rate_limited" BOOLEAN NOT NULL DEFAULT FALSE, "completed_at" BIGINT, "attributes" TEXT, "schedule_name" TEXT, "debounce_deadline_epoch_ms" BIGINT DEFAULT NULL, "is_debounced" BOOLEAN NOT NULL DEFAULT FALSE, "application_name" TEXT DEFAULT NULL, "creator_xid" TEXT DEFAULT NULL);
INSERT INTO "workflow_status" VALUES('job_6f1f312796fa1bf56bd8618d666c1155','SUCCESS','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/accd82fb05b2',1795303712000,1795303725000,'1',NULL,NULL,NULL,1,'quick',604800000,1795908514993,NULL,1795303715000,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303725000,'null',NULL,NULL,0,'equipoise','2f3df1dd-afed-4f08-bfa6-d45a3beedc8b');
INSERT INTO "workflow_status" VALUES('job_8ba41817e217419d654977f63e919922','SUCCESS','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/accd82fb05b2',1795303726000,1795303728000,'1',NULL,NULL,NULL,1,'cpu',604800000,1795908526281,NULL,1795303726000,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303728000,'null',NULL,NULL,0,'equipoise','519bec53-574f-429f-8088-9aedb1edc022');
INSERT INTO "workflow_status" VALUES('job_bb4d30a5898b1cbeceab49ace8f75dbd','SUCCESS','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/accd82fb05b2',1795303729000,1795303729000,'1',NULL,NULL,NULL,1,'cpu',604800000,1795908529037,NULL,1795303729000,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303729000,'null',NULL,NULL,0,'equipoise','77b8397d-915c-453e-987f-eeb16c2037a6');
INSERT INTO "workflow_status" VALUES('job_cf40222d800955327e9cf51e10b015dd','CANCELLED','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/accd82fb05b2',1795303729000,1795303730000,'1',NULL,NULL,NULL,1,NULL,300,1795303730026,NULL,NULL,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303730000,'null',NULL,NULL,0,'equipoise','6a8a6e06-3e00-4beb-9773-5756fe871be2');
INSERT INTO "workflow_status" VALUES('job_fb9b024345c776d66948822a1416766d','CANCELLED','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/accd82fb05b2',1795303732000,1795303732000,'1',NULL,NULL,NULL,1,NULL,604800000,1795908532194,NULL,NULL,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303732000,'null',NULL,NULL,0,'equipoise','e6b24996-ea15-4cb3-9f0b-704b4f6ea9bf');
INSERT INTO "workflow_status" VALUES('job_f6de51c15f550d2a9d9bc32d25f66155','SUCCESS','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'refusing',1795303733000,1795303743000,'1',NULL,NULL,NULL,1,'cpu',604800000,1795908538069,NULL,1795303738000,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,1795303743000,'null',NULL,NULL,0,'equipoise','ddeed4e7-706b-46c7-a53f-a4ae3bde121b');
INSERT INTO "workflow_status" VALUES('job_8f17a1a88a9f45312191910ba61243c8','PENDING','run_job',NULL,NULL,NULL,NULL,NULL,NULL,'laboratory/b1050066b5a4',1795303744000,1795303748000,'1',NULL,NULL,NULL,1,'cpu',604800000,1795908548877,NULL,1795303748000,NULL,101,NULL,NULL,'d2fc698b-d85d-4c55-ad67-3c070c716d74',NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'equipoise','4dd31688-68bb-445b-970f-a30226f0f52b');
INSERT INTO "workflow_status" VALUES('job_27126a4d25b6cfca5df7ec7f40dc1ac1','ENQUEUED','run_job',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795303762000,1795303762000,'1',NULL,NULL,NULL,0,'cpu',604800000,NULL,NULL,NULL,NULL,95,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'equipoise','ab2ef623-926c-4896-9c23-538ae99108e1');
INSERT INTO "workflow_status" VALUES('job_ab0bc03ba94f34d9281b14850b28afb0','ENQUEUED','run_job',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795303762000,1795303762000,'1',NULL,NULL,NULL,0,'cpu',604800000,NULL,NULL,NULL,NULL,94,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'equipoise','6c0bb44b-5c1a-45f4-9bf9-e91c58475f61');
INSERT INTO "workflow_status" VALUES('job_cb0779948da7602230a2b311f4c3290d','ENQUEUED','run_job',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795303762000,1795303762000,'1',NULL,NULL,NULL,0,'quick',604800000,NULL,NULL,NULL,NULL,101,NULL,NULL,NULL,NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'equipoise','9b1dff22-d98d-4a65-b1de-0e41e5c0cbcc');
CREATE INDEX equipoise_jobs_status ON equipoise_jobs (status, updated_at);
CREATE INDEX equipoise_jobs_newest ON equipoise_jobs (submitted_at, id);
CREATE INDEX equipoise_job_tags_tag ON equipoise_job_tags (tag);
CREATE INDEX ix_equipoise_idempotency_keys_job_id ON equipoise_idempotency_keys (job_id);
CREATE INDEX workflow_status_created_at_index ON workflow_status (created_at);
CREATE INDEX idx_workflow_topic ON notifications (destination_uuid, topic);
CREATE INDEX "idx_workflow_status_delayed" ON "workflow_status" ("delay_until_epoch_ms") WHERE status = 'DELAYED';
CREATE INDEX "idx_workflow_status_forked_from" ON "workflow_status" ("forked_from") WHERE "forked_from" IS NOT NULL;
CREATE INDEX "idx_workflow_status_parent_workflow_id" ON "workflow_status" ("parent_workflow_id") WHERE "parent_workflow_id" IS NOT NULL;
CREATE UNIQUE INDEX "uq_workflow_status_dedup_id" ON "workflow_status" ("queue_name", "deduplication_id") WHERE "deduplication_id" IS NOT NULL;
CREATE INDEX "idx_workflow_status_pending" ON "workflow_status" ("created_at") WHERE "status" = 'PENDING';
CREATE INDEX "idx_workflow_status_failed" ON "workflow_status" ("status", "created_at") WHERE "status" IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
CREATE INDEX "idx_workflow_status_rate_limited" ON "workflow_status" ("queue_name", "started_at_epoch_ms") WHERE "rate_limited" = TRUE;
CREATE INDEX "idx_workflow_status_completed_at" ON "workflow_status" ("completed_at") WHERE "completed_at" IS NOT NULL;
CREATE INDEX "idx_workflow_status_started_at" ON "workflow_status" ("started_at_epoch_ms") WHERE "started_at_epoch_ms" IS NOT NULL;
CREATE INDEX "idx_workflow_status_schedule_name" ON "workflow_status" ("schedule_name") WHERE "schedule_name" IS NOT NULL;
CREATE UNIQUE INDEX "uq_application_versions_owner_version"
    ON application_versions ("application_name", "version_name")
    WHERE "application_name" IS NOT NULL;
CREATE UNIQUE INDEX "uq_application_versions_unclaimed_version"
    ON application_versions ("version_name")
    WHERE "application_name" IS NULL;
CREATE INDEX idx_workflow_input_retention
    ON workflow_input (retention_timestamp);
CREATE INDEX idx_workflow_output_retention
    ON workflow_output (retention_timestamp);
CREATE INDEX idx_operation_outputs_retention
    ON operation_outputs (retention_timestamp);
CREATE INDEX "idx_workflow_status_in_flight_v2" ON "workflow_status" ("queue_name", "status", "priority", "created_at", "application_name") WHERE "status" IN ('ENQUEUED', 'PENDING');
CREATE INDEX "idx_workflow_status_partition_dequeue_v3" ON "workflow_status" ("queue_name", "status", "queue_partition_key", "priority", "created_at", "workflow_uuid", "application_name") WHERE "status" IN ('ENQUEUED', 'PENDING') AND "queue_partition_key" IS NOT NULL;
CREATE INDEX "idx_operation_outputs_completed_at_function_name_v2" ON "operation_outputs" ("completed_at_epoch_ms", "function_name", "application_name");
CREATE INDEX "idx_workflow_status_deadline" ON "workflow_status" ("workflow_deadline_epoch_ms") WHERE "status" IN ('ENQUEUED', 'PENDING', 'DELAYED') AND "workflow_deadline_epoch_ms" IS NOT NULL;
CREATE INDEX "idx_application_versions_timestamp" ON "application_versions" ("version_timestamp" DESC);
CREATE INDEX "idx_application_versions_owner_timestamp" ON "application_versions" ("application_name", "version_timestamp" DESC);
COMMIT;
