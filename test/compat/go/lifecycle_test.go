package compat

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	api "flintlock.test/compat/gen/services/microvm/v1alpha1"
	"flintlock.test/compat/gen/types"
)

const namespace = "go"

// spec names the bundled images, which real and simulated daemons have. A real guest of them needs no interface.
func spec(name string) *types.MicroVMSpec {
	return &types.MicroVMSpec{
		Id:         name,
		Namespace:  namespace,
		Labels:     map[string]string{"suite": "go"},
		Vcpu:       1,
		MemoryInMb: 256,
		Kernel: &types.Kernel{
			Image:    "flintlock.local/kernel:latest",
			Filename: proto.String("boot/vmlinuz"),
		},
		RootVolume: &types.Volume{
			Id:     "root",
			Source: &types.VolumeSource{ContainerSource: proto.String("flintlock.local/busybox:latest")},
		},
		Metadata: map[string]string{"user-data": "I2Nsb3VkLWNvbmZpZwo="},
	}
}

func create(t *testing.T, client api.MicroVMClient, wanted *types.MicroVMSpec) string {
	t.Helper()
	created, err := client.CreateMicroVM(within(t), &api.CreateMicroVMRequest{Microvm: wanted})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	got := created.GetMicrovm().GetSpec()
	if got.GetId() != wanted.GetId() || len(got.GetUid()) != 26 || got.GetVcpu() != 1 {
		t.Fatalf("create answered %v", created)
	}
	t.Cleanup(func() {
		_, _ = client.DeleteMicroVM(context.Background(), &api.DeleteMicroVMRequest{Uid: got.GetUid()})
	})
	return got.GetUid()
}

func waitCreated(t *testing.T, client api.MicroVMClient, uid string) *types.MicroVM {
	t.Helper()
	for ctx := within(t); ; time.Sleep(50 * time.Millisecond) {
		got, err := client.GetMicroVM(ctx, &api.GetMicroVMRequest{Uid: uid})
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		if got.GetMicrovm().GetStatus().GetState() == types.MicroVMStatus_CREATED {
			return got.GetMicrovm()
		}
	}
}

func TestLifecycle(t *testing.T) {
	client := api.NewMicroVMClient(connect(t))
	uid := create(t, client, spec("lifecycle"))

	vm := waitCreated(t, client, uid)
	if vm.GetSpec().GetLabels()["suite"] != "go" || vm.GetStatus().GetVolumes()["root"] == nil {
		t.Errorf("get answered %v", vm)
	}

	listed, err := client.ListMicroVMs(within(t), &api.ListMicroVMsRequest{
		Namespace: namespace,
		Name:      proto.String("lifecycle"),
	})
	if err != nil || len(listed.GetMicrovm()) != 1 || listed.GetMicrovm()[0].GetSpec().GetUid() != uid {
		t.Errorf("list answered %v, %v", listed, err)
	}

	streamed, err := stream(t, client)
	if err != nil || len(streamed) != 1 || streamed[0].GetSpec().GetUid() != uid {
		t.Errorf("the stream answered %v, %v", streamed, err)
	}

	if _, err := client.DeleteMicroVM(within(t), &api.DeleteMicroVMRequest{Uid: uid}); err != nil {
		t.Fatalf("delete: %v", err)
	}
	// The cluster API provider looks for these words, and every other client for an error.
	for ctx := within(t); ; time.Sleep(50 * time.Millisecond) {
		_, err := client.GetMicroVM(ctx, &api.GetMicroVMRequest{Uid: uid})
		if err == nil {
			continue
		}
		if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "not found") {
			t.Errorf("a deleted microVM answers %v", err)
		}
		return
	}
}

func stream(t *testing.T, client api.MicroVMClient) ([]*types.MicroVM, error) {
	t.Helper()
	messages, err := client.ListMicroVMsStream(within(t), &api.ListMicroVMsRequest{Namespace: namespace})
	if err != nil {
		return nil, err
	}
	var all []*types.MicroVM
	for {
		message, err := messages.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, message.GetMicrovm())
	}
}

// FLINTLOCK_REFUSED is the name of the code that every call must end with.
func TestRefused(t *testing.T) {
	wanted := os.Getenv("FLINTLOCK_REFUSED")
	client := api.NewMicroVMClient(connect(t))
	_, err := client.ListMicroVMs(within(t), &api.ListMicroVMsRequest{})
	if status.Code(err).String() != wanted {
		t.Errorf("a unary call ends with %v, not %s", err, wanted)
	}
	if _, err := stream(t, client); status.Code(err).String() != wanted {
		t.Errorf("a stream ends with %v, not %s", err, wanted)
	}
}
