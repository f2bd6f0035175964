package compat

import (
	"slices"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	api "flintlock.test/compat/gen/services/microvm/v1alpha1"
)

const service = "microvm.services.api.v1alpha1.MicroVM"

func TestReflection(t *testing.T) {
	calls, err := reflection.NewServerReflectionClient(connect(t)).ServerReflectionInfo(within(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(request *reflection.ServerReflectionRequest) *reflection.ServerReflectionResponse {
		t.Helper()
		if err := calls.Send(request); err != nil {
			t.Fatal(err)
		}
		response, err := calls.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return response
	}

	listed := ask(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{},
	})
	var names []string
	for _, one := range listed.GetListServicesResponse().GetService() {
		names = append(names, one.GetName())
	}
	if !slices.Contains(names, service) {
		t.Errorf("the services are %v", names)
	}

	// What the daemon says of itself is what this client was made of.
	described := ask(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	})
	files := described.GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(files) == 0 {
		t.Fatalf("no file for %s: %v", service, described)
	}
	file := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(files[0], file); err != nil {
		t.Fatal(err)
	}
	own := api.File_services_microvm_v1alpha1_microvms_proto
	if file.GetName() != own.Path() || len(file.GetMessageType()) != own.Messages().Len() {
		t.Errorf("%s is described as %s with %d messages", own.Path(), file.GetName(), len(file.GetMessageType()))
	}
}

// TestReflectionAlpha is what older tools ask.
func TestReflectionAlpha(t *testing.T) {
	calls, err := alpha.NewServerReflectionClient(connect(t)).ServerReflectionInfo(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := calls.Send(&alpha.ServerReflectionRequest{
		MessageRequest: &alpha.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	response, err := calls.Recv()
	if err != nil || len(response.GetListServicesResponse().GetService()) == 0 {
		t.Errorf("the services are %v, %v", response, err)
	}
}

func TestHealth(t *testing.T) {
	answer, err := grpc_health_v1.NewHealthClient(connect(t)).Check(within(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health answers %v, %v", answer, err)
	}
}
