package awsapi

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// Times of roles.
const (
	// Credentials last an hour. They are renewed early, at a moment of these minutes that
	// differs from role to role, so that an STS in trouble has time to come back.
	renewEarly = 10 * time.Minute
	// While they cannot be renewed they are used until they end, and STS is asked again
	// and again: after 1 s, doubling to a minute. A role that denies us costs no more than
	// that, however many calls want it.
	firstAssume = time.Second
	lastAssume  = time.Minute
	// assumeTimeout ends a call, with its repetitions, that STS does not answer.
	assumeTimeout = 10 * time.Second
)

// sessionPrefix and the name of the cluster are what the other account's CloudTrail
// calls us.
const sessionPrefix = "tgsync-"

// roles are the clients of the roles that were ever asked for. They are kept: what they
// have spent of a budget counts although nobody wants them for a while.
type roles struct {
	config  aws.Config
	options Options

	mu       sync.Mutex // guards all below
	clients  map[target.Role]*Clients
	limiters map[string]*limiter // by account
}

// Assume returns the clients of a role, which call with credentials of its account: they
// are got with the first call, and renewed. AWS's budgets belong to accounts, so the
// roles of one share a limiter, apart from our own account's. Of the zero Role it is c
// itself.
func (c *Clients) Assume(role target.Role) *Clients {
	if role == (target.Role{}) || c.roles == nil {
		return c
	}
	r := c.roles
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.clients[role]; known != nil {
		return known
	}
	account := role.Account()
	l := r.limiters[account]
	if l == nil {
		l = newLimiter(r.options.Share, r.options.Observer)
		r.limiters[account] = l
	}
	cfg := r.config.Copy()
	cfg.Credentials = credentials{aws.NewCredentialsCache(newAssumed(r.config, r.options, role), func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = renewEarly, 0.5
	})}
	made := clientsOf(cfg, r.options, l)
	r.clients[role] = made
	return made
}

// AccountLevels is what the buckets of another account hold.
type AccountLevels struct {
	Account string
	Levels  []opqueue.Level
}

// OtherLevels returns what the buckets of the other accounts hold, by account.
func (c *Clients) OtherLevels() []AccountLevels {
	c.roles.mu.Lock()
	defer c.roles.mu.Unlock()
	var all []AccountLevels
	for account, l := range c.roles.limiters {
		all = append(all, AccountLevels{account, l.budget.Levels()})
	}
	slices.SortFunc(all, func(a, b AccountLevels) int { return cmp.Compare(a.Account, b.Account) })
	return all
}

// assumed gets credentials of a role from STS. While it cannot, it answers with the
// reason at once, and asks again only now and then.
type assumed struct {
	from aws.CredentialsProvider
	role string

	mu       sync.Mutex // guards all below
	ends     time.Time  // when the last credentials end
	err      error      // why there are no new ones; nil: there are
	failures int
	again    time.Time // when STS is worth another call
}

var (
	_ aws.CredentialsProvider                       = (*assumed)(nil)
	_ aws.HandleFailRefreshCredentialsCacheStrategy = (*assumed)(nil)
	_ aws.AdjustExpiresByCredentialsCacheStrategy   = (*assumed)(nil)
)

// newAssumed returns what gets a role's credentials with those of the process. STS has
// buckets of its own, of 600 calls a second, and so needs no limiter.
func newAssumed(cfg aws.Config, o Options, role target.Role) *assumed {
	cfg = cfg.Copy()
	cfg.Retryer, cfg.RetryMaxAttempts = retryReads, readAttempts
	a := &attempts{service: serviceSTS, observer: o.Observer}
	client := sts.NewFromConfig(cfg, func(so *sts.Options) {
		so.APIOptions = append(so.APIOptions, a.insert, awsmiddleware.AddUserAgentKeyValue("tgsync", o.Version))
	})
	return &assumed{role: role.ARN, from: stscreds.NewAssumeRoleProvider(client, role.ARN, func(ao *stscreds.AssumeRoleOptions) {
		ao.RoleSessionName, ao.Duration = sessionName(o.Cluster), time.Hour
		if role.ExternalID != "" {
			ao.ExternalID = &role.ExternalID
		}
	})}
}

// sessionName returns what STS allows of a cluster's name, in 64 characters.
func sessionName(cluster string) string {
	name := sessionPrefix + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+=,.@-", r) {
			return r
		}
		return '-'
	}, cluster)
	return name[:min(len(name), 64)]
}

// Retrieve implements aws.CredentialsProvider.
func (a *assumed) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := a.failing(); err != nil {
		return aws.Credentials{}, err
	}
	// The SDK keeps asking although its caller has ended: another may wait for it, too.
	asked, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	got, err := a.from.Retrieve(asked)
	if err != nil {
		err = &roleError{role: a.role, code: Code(err), err: err}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	if err != nil {
		a.again = time.Now().Add(assumeAgain(a.failures))
		a.failures++
		return got, err
	}
	a.failures, a.ends = 0, got.Expires
	return got, nil
}

// failing returns why STS is not worth a call now, nil if it is.
func (a *assumed) failing() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.again.After(time.Now()) {
		return a.err
	}
	return nil
}

// HandleFailToRefresh implements aws.HandleFailRefreshCredentialsCacheStrategy: the
// credentials of before serve until they end.
func (a *assumed) HandleFailToRefresh(_ context.Context, before aws.Credentials, err error) (aws.Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !before.HasKeys() || !a.ends.After(time.Now()) {
		return aws.Credentials{}, err
	}
	before.Expires = a.ends
	if a.again.Before(a.ends) {
		before.Expires = a.again
	}
	return before, nil
}

// AdjustExpiresBy implements aws.AdjustExpiresByCredentialsCacheStrategy: what is used
// longer for want of better is not cut short.
func (a *assumed) AdjustExpiresBy(c aws.Credentials, by time.Duration) (aws.Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		c.Expires = c.Expires.Add(by)
	}
	return c, nil
}

// assumeAgain returns how long to wait after a failure that was preceded by others.
func assumeAgain(failures int) time.Duration {
	d := min(lastAssume, firstAssume<<min(failures, 6))
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}

// roleError says that a role could not be assumed: nothing was sent to its account.
type roleError struct {
	role, code string
	err        error
}

func (e *roleError) Error() string { return "assume role " + e.role + ": " + e.err.Error() }

func (e *roleError) Unwrap() error { return e.err }

// RoleProblem returns the code with which STS has turned us away, if an error is about
// a role that could not be assumed.
func RoleProblem(err error) (code string, is bool) {
	if r, ok := errors.AsType[*roleError](err); ok {
		return r.code, true
	}
	return "", false
}
