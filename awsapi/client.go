package awsapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/smithy-go/middleware"

	"github.com/tgsync/tgsync/syncer/target"
)

// readAttempts bounds what a failing read costs: two pauses, of less than 2 s and
// less than 4 s, and three tokens.
const readAttempts = 3

// HTTPClient sends requests. *http.Client is one.
type HTTPClient interface {
	Do(*http.Request) (*http.Response, error)
}

// Options are what the environment does not say. The zero value is ready to use.
type Options struct {
	// HTTPClient carries the calls to ELBv2, EC2, ACM and STS, not those for the
	// credentials of the process.
	// Nil: the SDK's own.
	HTTPClient HTTPClient
	// Observer is told about every attempt. Nil: nobody is.
	Observer Observer
	// Fence is asked right before an attempt of a call that changes something leaves:
	// an error keeps it from being sent and gives it the class Fenced. Nil: all may
	// leave.
	Fence func() error
	// Share is the part of AWS's published budget that this process may use,
	// above 0 and at most 1. 0 stands for 1.
	Share float64
	// Cluster is the name of the cluster, after which sessions of roles in other accounts
	// are named. Empty: after tgsync alone.
	Cluster string
	// Version goes into the User-Agent as tgsync/VERSION. Empty: "dev".
	Version string
}

// Clients are the clients of one account and Region. They share one limiter.
type Clients struct {
	ELB *ELB
	EC2 *EC2
	ACM *ACM

	limiter *limiter
	roles   *roles // of other accounts; nil in clients of one
}

// ELB calls Elastic Load Balancing v2. It is safe for concurrent use.
//
// The methods of ELB and EC2 return errors that ClassOf sorts. Where the class is
// Unavailable, the outcome of a write is open: AWS may have carried it out, or
// still do so.
type ELB struct {
	read  *elb.Client // Describe calls: several attempts
	write *elb.Client // everything else: one attempt
}

// EC2 calls EC2 for the subnets and security groups of load balancers. It is safe
// for concurrent use. For its errors see ELB.
type EC2 struct {
	read  *ec2.Client
	write *ec2.Client
}

// New returns clients for the Region, endpoints and credentials of the SDK's
// default configuration (AWS_REGION, AWS_ENDPOINT_URL_EC2, ...). Where that names
// no Region, the instance metadata service is asked.
func New(ctx context.Context, o Options) (*Clients, error) {
	if o.Share == 0 {
		o.Share = 1
	}
	if !(o.Share > 0 && o.Share <= 1) {
		return nil, fmt.Errorf("share of AWS's request budget: %v is not above 0 and at most 1", o.Share)
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	cfg, err := load(ctx)
	if err != nil {
		return nil, err
	}
	return newClients(cfg, o), nil
}

// load reads the SDK's default configuration.
func load(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return cfg, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		if cfg.Region, err = RegionFromMetadata(ctx); err != nil {
			return cfg, fmt.Errorf("no AWS Region is set (AWS_REGION): %w", err)
		}
	}
	if cfg.Credentials != nil {
		cfg.Credentials = credentials{cfg.Credentials}
	}
	return cfg, nil
}

func newClients(cfg aws.Config, o Options) *Clients {
	if o.HTTPClient != nil {
		cfg.HTTPClient = o.HTTPClient
	}
	c := clientsOf(cfg, o, newLimiter(o.Share, o.Observer))
	c.roles = &roles{config: cfg, options: o, clients: map[target.Role]*Clients{}, limiters: map[string]*limiter{}}
	return c
}

// clientsOf returns the clients of one account, whose credentials are in cfg.
func clientsOf(cfg aws.Config, o Options, l *limiter) *Clients {
	read := cfg.Copy()
	read.Retryer, read.RetryMaxAttempts = retryReads, readAttempts
	write := cfg.Copy()
	write.Retryer, write.RetryMaxAttempts = func() aws.Retryer { return aws.NopRetryer{} }, 1
	write.HTTPClient = fence(o.Fence).httpClient(cfg.HTTPClient)
	stack := func(service string, f fence) []func(*middleware.Stack) error {
		a := &attempts{service: service, limiter: l, fence: f, observer: o.Observer}
		return []func(*middleware.Stack) error{a.insert, awsmiddleware.AddUserAgentKeyValue("tgsync", o.Version)}
	}
	elbClient := func(cfg aws.Config, f fence) *elb.Client {
		return elb.NewFromConfig(cfg, func(so *elb.Options) { so.APIOptions = append(so.APIOptions, stack(serviceELB, f)...) })
	}
	ec2Client := func(cfg aws.Config, f fence) *ec2.Client {
		return ec2.NewFromConfig(cfg, func(so *ec2.Options) { so.APIOptions = append(so.APIOptions, stack(serviceEC2, f)...) })
	}
	acmClient := acm.NewFromConfig(read, func(so *acm.Options) { so.APIOptions = append(so.APIOptions, stack(serviceACM, nil)...) })
	return &Clients{
		limiter: l,
		ELB:     &ELB{read: elbClient(read, nil), write: elbClient(write, o.Fence)},
		EC2:     &EC2{read: ec2Client(read, nil), write: ec2Client(write, o.Fence)},
		ACM:     &ACM{read: acmClient},
	}
}

// retryReads is the SDK's standard policy without its client-wide retry quota,
// which after about 100 retries would fail every call of the process at once: the
// limiter already bounds the attempts.
func retryReads() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = readAttempts
		o.RateLimiter = ratelimit.None
	})
}

// credentials marks the errors of a provider. They may come from another AWS
// service with codes of its own, which say nothing about the call that was to be
// signed.
type credentials struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err: err}
	}
	return got, nil
}

// credentialsError says that there was nothing to sign with: nothing was sent.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "get AWS credentials: " + e.err.Error() }

func (e *credentialsError) Unwrap() error { return e.err }
