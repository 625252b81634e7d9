// Package awssim simulates AWS accounts in one Region as far as a controller of
// Application Load Balancers sees them: the API of ELBv2, EC2 and STS over the AWS
// Query protocol and of ACM over JSON, and the load balancers' data plane behind it.
//
// A Sim is one account with an endpoint. Others can stand behind the same endpoint
// (AddAccount): the credentials that sign a call say in which of them it acts, and
// STS hands out those of their roles.
//
// A call goes through these stages:
//
//	ServeHTTP or Transport   one over TCP, one in process; both end in answer
//	faults, latency          what was injected for this call
//	accountOf                whose resources and tokens it is about
//	parseForm, decode, check form to tree to parameter struct, strictly; what comes as
//	                         JSON has been made a form by then
//	token buckets            as published, if Options.Throttling; neighbours take theirs
//	operation                validation, semantics, quotas; under one lock. A late call
//	                         waits here, a stale read meets the account of the past
//	encodeResult             result struct to XML or JSON, in the dialect of the service
//	Calls                    every call is recorded, even if its answer is lost
//
// Those who look at a test's result do not go this way: Targets is exact, and who
// calls with ObserverKeyID is answered without tokens, faults and a record.
//
// The data plane wakes on each change: health checks decide the states of targets,
// and listeners serve HTTP by the rules. It runs while Run runs.
//
// All time is taken from package time, and the network is given from outside
// (Options.Listen and Options.Dial), so that the same code runs over loopback and
// inside a testing/synctest bubble. Identifiers are digests of names: a world that
// makes the same calls in the same order gets the same identifiers.
//
// HTTPS listeners show certificates that Sim.RootCAs vouches for, and speak HTTP/1.1
// like the others. Target groups of HTTP/2 and gRPC are health-checked; a request for
// one is a 464. A client at 127.A.B.C counts as one at 10.A.B.C too. Security groups
// hold traffic back only if Options.EnforceSecurityGroups says so.
//
// Signatures are not verified, but a request must carry one. Where AWS's documents
// leave a question open, Switches has a field for it. An action or a parameter that
// is not simulated answers an error; nothing succeeds without effect.
//
// Files: wire_* is the protocol, request.go, endpoint.go and service.go the way of a
// call, faults.go and history.go what goes wrong on it, buckets.go and neighbours.go
// the tokens, accounts.go who acts where, elb_*, ec2_*, acm.go and sts.go the actions
// by resource, certificates.go and tls.go what listeners encrypt with, network.go VPCs and interfaces,
// targets*.go and health.go the life of a target, routing.go and dataplane*.go the
// traffic. A name that ends in Locked expects its caller to hold Sim.mu.
package awssim
